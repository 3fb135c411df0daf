"""The cursors of lists."""

from __future__ import annotations

import base64
import binascii

import msgspec

from convai_async.testing.corpus import Position
from convai_async.testing.parameters import Parameter

DETOUR = "~"
"""Added to a cursor, leads to the same page as without it."""


def _read_position(cursor: str) -> Position | None:
    text = cursor.rstrip(DETOUR)
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=Position) if text else None
    except (binascii.Error, ValueError):
        raise ValueError("Invalid cursor") from None


def _read_number(cursor: str) -> int:
    number = cursor.rstrip(DETOUR) or "0"
    if not number.isascii() or not number.isdecimal():
        raise ValueError("Invalid cursor")
    return int(number)


def write_cursor(position: Position | None) -> str | None:
    """Return the cursor that leads to what follows a position; None for None."""
    return None if position is None else base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()


POSITION = Parameter(read=_read_position)
"""A cursor of the list of conversations: a position, which stays right while conversations come and go."""

NUMBER = Parameter(read=_read_number, default=0)
"""A cursor of the other lists: the number of a page's first item."""
