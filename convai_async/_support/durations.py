"""Parse a length of time, such as ``12h``."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(rf"(\d+)([{''.join(_UNITS)}])", re.ASCII)


def parse_duration(text: str) -> timedelta | None:
    """Return a length of time, such as ``90s``, ``30m``, ``12h``, ``7d`` or ``2w``; None for another format.

    Raises:
        OverflowError: It is too long.
    """
    found = _DURATION.fullmatch(text)
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})
