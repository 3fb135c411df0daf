"""The integers that SQLite can hold."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from convai_async._support.validate import INT64_MAX, INT64_MIN

Int64 = Annotated[int, msgspec.Meta(ge=INT64_MIN, le=INT64_MAX)]
"""An integer that SQLite can hold, in a Struct that is decoded."""


def int64_or_none(value: Any) -> Any:
    """Return a value; None for an integer that SQLite cannot hold."""
    return None if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX else value
