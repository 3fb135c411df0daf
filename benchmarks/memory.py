"""The peak memory of this process, in MiB."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def read_peak_mib() -> float:
    """Return the peak since the process started, or since `reset_peak`."""
    if _STATUS.exists():  # on Linux ru_maxrss includes the memory of the parent process
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        if found is not None:
            return int(found[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def reset_peak() -> None:
    """Reset the peak to the current memory (Linux only)."""
    if _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text("5")
