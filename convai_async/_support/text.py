"""Text for messages: shortened to one line, or hidden."""

from __future__ import annotations

_MAX_CHARS = 500
_SECONDS_PER_MINUTE = 60


def to_short_line(text: str, max_chars: int = _MAX_CHARS) -> str:
    """Return text in one line of at most 500 characters, without control characters and escape sequences."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * max_chars]).split())
    return line if len(line) <= max_chars else line[:max_chars] + "…"


def format_call_time(seconds: int | None) -> str:
    """Return seconds as minutes and seconds: ``3:07``."""
    return "" if seconds is None else f"{seconds // _SECONDS_PER_MINUTE}:{seconds % _SECONDS_PER_MINUTE:02}"


class Secret(str):
    """Text whose repr hides it, so that tracebacks with local variables do not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
