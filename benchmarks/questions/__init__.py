"""The questions, in the order in which they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.questions import audio, decoding, details, harvesting, imports, listing

if TYPE_CHECKING:
    from benchmarks.question import Question

QUESTIONS: dict[str, Question] = {
    "get": details.THROUGHPUT,
    "lag": details.LAG,
    "lag-longest": details.LONGEST_LAG,
    "lag-busy": details.BUSY_LAG,
    "decode": decoding.TYPICAL,
    "decode-odd": decoding.ODD,
    "decode-page": decoding.PAGE,
    "decode-growth": decoding.GROWTH,
    "memory": decoding.KEPT,
    "list": listing.WHOLE_LIST,
    "audio": audio.SPEED,
    "audio-memory": audio.MEMORY,
    "import": imports.IMPORT,
    "harvest": harvesting.CPU,
    "harvest-growth": harvesting.GROWTH,
}
