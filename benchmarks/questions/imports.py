"""Importing."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.clients import OURS
from benchmarks.question import Contender, Question, Setting


def _milliseconds(statement: str) -> Contender:
    names = {name.strip() for name in statement.removeprefix("import ").split(",")}

    def measure(_setting: Setting) -> float:
        # In an interpreter of its own, since this one has imported much already.
        command = [sys.executable, "-X", "importtime", "-c", statement]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        microseconds = 0
        for line in result.stderr.splitlines():
            _, cumulative, name = line.removeprefix("import time:").split("|")
            if name[1:] in names:  # one that another imported is indented further
                microseconds += int(cumulative)
        return microseconds / 1000

    return measure


IMPORT = Question(
    asks="Importing",
    unit="ms",
    contenders={
        OURS: _milliseconds("import convai_async"),
        "aiohttp, msgspec, tenacity, anyio": _milliseconds("import aiohttp, msgspec, tenacity, anyio"),
        "elevenlabs.client (official SDK)": _milliseconds("import elevenlabs.client"),
    },
    rounds=15,
)
