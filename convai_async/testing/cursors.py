"""Encodes and decodes the cursors of lists."""

from __future__ import annotations

import base64
import binascii

import msgspec

from convai_async.testing.corpus import Position
from convai_async.testing.parameters import Parameter

DETOUR = "~"
"""A suffix of cursors that is ignored, so that a fault can issue another cursor for the same page."""


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
    """Encode the cursor of the page that begins after this position; None for None."""
    return None if position is None else base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()


POSITION = Parameter(read=_read_position)
"""The cursor of the conversations list: a position, which stays valid when conversations are added or deleted."""

NUMBER = Parameter(read=_read_number, default=0)
"""The cursor of the other lists: the index of the first item of the page."""
