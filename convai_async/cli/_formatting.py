"""Format text, durations and sizes for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_SECONDS_PER_MINUTE = 60
_SECONDS_PER_HOUR = 3600
_KIB = 1024

RESULT_STYLES = {"success": "green", "failure": "red", "failed": "red"}
"""The colour of each result of a conversation."""


def strip_control_chars(text: str | None) -> str:
    """Return text without escape sequences and control characters, which could control the terminal.

    Line breaks stay; tabs and other white space become spaces.
    """
    return "".join(map(_replace_control_char, text or ""))


def _replace_control_char(char: str) -> str:
    if char.isprintable() or char == "\n":
        return char
    return " " if char == "\t" or (char.isspace() and char > " ") else ""


def to_single_line(text: str | None) -> str:
    """Return text without control characters as a single line."""
    return " ".join(strip_control_chars(text).split())


def format_table(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Return rows as lines with aligned columns; the columns in ``numbers`` are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in numbers else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def format_duration(seconds: float) -> str:
    """Return seconds with a suitable unit: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 2 * _SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _SECONDS_PER_HOUR:
        return f"{seconds / _SECONDS_PER_MINUTE:.0f} min"
    return f"{seconds / _SECONDS_PER_HOUR:.1f} h"


def format_size(count: float) -> str:
    """Return a number of bytes with a suitable unit: ``1.4 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _KIB:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KIB
    return f"{count:.1f} TiB"
