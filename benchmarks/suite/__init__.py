"""The benchmarks, in the order in which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.suite import audio, decoding, getting, harvesting, imports, listing, live

if TYPE_CHECKING:
    from benchmarks.benchmark import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    "get": getting.THROUGHPUT,
    "lag": getting.LAG,
    "lag-longest": getting.LONGEST_LAG,
    "lag-busy": getting.BUSY_LAG,
    "decode": decoding.TYPICAL,
    "decode-quirks": decoding.QUIRKS,
    "decode-page": decoding.PAGE,
    "decode-growth": decoding.GROWTH,
    "memory": decoding.KEPT,
    "list": listing.WHOLE_LIST,
    "audio": audio.SPEED,
    "audio-memory": audio.MEMORY,
    "import": imports.IMPORT,
    "harvest": harvesting.CPU,
    "harvest-growth": harvesting.GROWTH,
    "live": live.TURN,
    "live-audio": live.AUDIO,
    "live-pong": live.PONG,
    "live-cpu": live.CPU,
    "live-memory": live.MEMORY,
}
