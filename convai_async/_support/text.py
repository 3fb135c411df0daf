"""Text for messages: shortened to one line, or hidden."""

from __future__ import annotations

_MAX_CHARS = 500


def one_line(text: str) -> str:
    """Return text in one line of at most 500 characters, without control characters and escape sequences."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * _MAX_CHARS]).split())
    return line if len(line) <= _MAX_CHARS else line[:_MAX_CHARS] + "…"


class Secret(str):
    """Text whose repr hides it, so that tracebacks with local variables do not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
