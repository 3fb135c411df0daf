"""What is safe and pleasant to put on a terminal."""

from __future__ import annotations

_SECONDS_PER_MINUTE = 60
_SECONDS_PER_HOUR = 3600
_KIB = 1024

RESULT_STYLES = {"success": "green", "failure": "red", "failed": "red"}
"""Colours of how a conversation went."""


def plain(text: str | None) -> str:
    """Return text without escape sequences and control characters: the service's words must not steer a terminal.

    Spaces of other kinds (tabs, no-break spaces) become spaces.
    """
    return "".join(map(_plain_char, text or ""))


def _plain_char(char: str) -> str:
    if char.isprintable() or char == "\n":
        return char
    return " " if char == "\t" or (char.isspace() and char > " ") else ""


def one_line(text: str | None) -> str:
    """Return `plain` text in one line."""
    return " ".join(plain(text).split())


def clock_time(seconds: int | None) -> str:
    """Return seconds as minutes and seconds: ``3:07``."""
    return "" if seconds is None else f"{seconds // _SECONDS_PER_MINUTE}:{seconds % _SECONDS_PER_MINUTE:02}"


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 2 * _SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _SECONDS_PER_HOUR:
        return f"{seconds / _SECONDS_PER_MINUTE:.0f} min"
    return f"{seconds / _SECONDS_PER_HOUR:.1f} h"


def byte_count(count: float) -> str:
    """Return a number of bytes as people read it: ``1.4 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _KIB:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KIB
    return f"{count:.1f} TiB"
