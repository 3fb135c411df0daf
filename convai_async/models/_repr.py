"""Short reprs of large models. They never raise, even if a model was constructed with values of other types."""

from __future__ import annotations

from typing import Any

from convai_async._support.text import format_call_time, to_short_line

_MAX_CHARS = 60


def build_repr(value: object, *parts: str) -> str:
    """Return ``<Name part part>``, without empty parts."""
    return f"<{' '.join([type(value).__name__, *filter(None, parts)])}>"


def format_word(value: Any) -> str:
    """Return an id or a status; empty for None."""
    return "" if value is None else to_short_line(str(value), _MAX_CHARS)


def format_text(value: Any) -> str:
    """Return text in quotes, cut after 60 characters; empty if there is none."""
    return f'"{to_short_line(value, _MAX_CHARS)}"' if isinstance(value, str) and value else ""


def format_seconds(value: Any) -> str:
    """Return seconds as ``4:07``; empty for None."""
    return format_call_time(value) if isinstance(value, int) else ""


def format_count(value: Any, noun: str) -> str:
    """Return a number, or the length of a collection, with a noun: ``1 turn``, ``38 turns``; empty if there is none."""
    number = value if isinstance(value, int) else len(value) if isinstance(value, tuple | list) else None
    return "" if number is None else f"{number:,} {noun}{'' if number == 1 else 's'}"
