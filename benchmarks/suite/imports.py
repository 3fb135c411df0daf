"""Benchmark of the import time."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.benchmark import Benchmark, Context, Implementation
from benchmarks.clients import OURS


def _measure_import_time(statement: str) -> Implementation:
    names = {name.strip() for name in statement.removeprefix("import ").split(",")}

    def measure(_context: Context) -> float:
        # In a new interpreter: this one has imported most of it already.
        command = [sys.executable, "-X", "importtime", "-c", statement]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        microseconds = 0
        for line in result.stderr.splitlines():
            _, cumulative, name = line.removeprefix("import time:").split("|")
            if name[1:] in names:  # nested imports are indented further
                microseconds += int(cumulative)
        return microseconds / 1000

    return measure


IMPORT = Benchmark(
    title="Import time",
    unit="ms",
    implementations={
        OURS: _measure_import_time("import convai_async"),
        "aiohttp, msgspec, tenacity, anyio": _measure_import_time("import aiohttp, msgspec, tenacity, anyio"),
        "elevenlabs.client (official SDK)": _measure_import_time("import elevenlabs.client"),
    },
    rounds=15,
)
