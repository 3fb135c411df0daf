"""The environment of a process in which coverage is not measured: measuring has modules and memory of its own."""

from __future__ import annotations

import os

_MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def unmeasured() -> dict[str, str]:
    """Return this process's environment, less what starts measuring."""
    return {name: value for name, value in os.environ.items() if name not in _MEASURING}
