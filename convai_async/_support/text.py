"""Text that is shown in part, or not at all."""

from __future__ import annotations

_LONGEST = 500


def one_line(text: str) -> str:
    """Return text in one line of 500 characters at most, without control characters and escape sequences."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


class Secret(str):
    """Text that whatever prints local variables does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
