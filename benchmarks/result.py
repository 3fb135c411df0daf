"""The results of benchmarks."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from benchmarks.benchmark import Benchmark
    from benchmarks.worker import Run

_LIBRARIES = ("convai-async", "aiohttp", "msgspec", "elevenlabs", "httpx", "uvloop")


class Summary(msgspec.Struct):
    """The runs of one implementation.

    Attributes:
        value: The median of the measured values, in the benchmark's unit.
        lowest: The lowest value.
        highest: The highest value.
        peak_mib: The median of the process's peak memory.
        service_share: The median of how much of a CPU core the server used.
    """

    value: float
    lowest: float
    highest: float
    peak_mib: float
    service_share: float


class Result(msgspec.Struct):
    """The result of a benchmark.

    Attributes:
        title: What was measured.
        unit: The unit of the measured value.
        more_is_better: Whether a higher value is better.
        rounds: How often each implementation ran.
        machine: The machine and the versions of the libraries.
        implementations: The summary of each implementation; ours first.
    """

    title: str
    unit: str
    more_is_better: bool
    rounds: int
    machine: str
    implementations: dict[str, Summary]


def summarize(benchmark: Benchmark, runs: dict[str, list[Run]]) -> Result:
    """Return the result of a benchmark, given its runs by implementation."""
    summaries = {
        implementation: Summary(
            value=median(run.value for run in its_runs),
            lowest=min(run.value for run in its_runs),
            highest=max(run.value for run in its_runs),
            peak_mib=median(run.peak_mib for run in its_runs),
            service_share=median(run.service_share for run in its_runs),
        )
        for implementation, its_runs in runs.items()
    }
    rounds = max(len(its_runs) for its_runs in runs.values())
    return Result(benchmark.title, benchmark.unit, benchmark.more_is_better, rounds, describe_machine(), summaries)


def describe_machine() -> str:
    """Return the Python version, the machine and the versions of the libraries."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; {libraries}"


def format_number(value: float) -> str:
    """Return a number with about three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
