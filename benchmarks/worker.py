"""Run one implementation of one benchmark, and print the result as JSON.

python -m benchmarks.worker BENCHMARK IMPLEMENTATION URL DOCUMENTS
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import urllib.request
from collections.abc import Coroutine
from pathlib import Path

import msgspec

from benchmarks import documents
from benchmarks.benchmark import Context
from benchmarks.memory import read_peak_mib
from benchmarks.suite import BENCHMARKS


class Run(msgspec.Struct):
    """One run of an implementation.

    Attributes:
        value: The measured value, in the benchmark's unit.
        peak_mib: The peak memory of the process.
        service_share: How much of a CPU core the server used during the run.
    """

    value: float
    peak_mib: float
    service_share: float


def main() -> None:
    """Run the implementation that the command line names."""
    name, implementation, url, rendered = sys.argv[1:]
    benchmark = BENCHMARKS[name]
    with tempfile.TemporaryDirectory(prefix="convai-benchmark-") as folder:
        context = Context(url, documents.read(Path(rendered)), Path(folder), benchmark.seconds)
        began, before = time.perf_counter(), _fetch_service_cpu_secs(url)
        value = benchmark.implementations[implementation](context)
        if isinstance(value, Coroutine):
            value = asyncio.run(value)
        service_share = (_fetch_service_cpu_secs(url) - before) / (time.perf_counter() - began)
    sys.stdout.buffer.write(msgspec.json.encode(Run(value, read_peak_mib(), service_share)))


def _fetch_service_cpu_secs(url: str) -> float:
    with urllib.request.urlopen(f"{url}/cpu", timeout=10) as response:  # noqa: S310 - our own server
        return float(response.read())


if __name__ == "__main__":
    main()
