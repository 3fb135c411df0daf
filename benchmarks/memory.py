"""How much memory this process has had, in MiB."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def peak_mib() -> float:
    """Return the most that this process had since it began, or since `forget_peak`."""
    if _STATUS.exists():  # ru_maxrss begins with what the parent had
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        if found is not None:
            return int(found[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def forget_peak() -> None:
    """Begin anew, where the system can."""
    if _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text("5")
