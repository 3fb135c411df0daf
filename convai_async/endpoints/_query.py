"""Encode query parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from convai_async._support.validate import INT64_MAX, format_value, validate_encodable, validate_integer
from convai_async.errors import InvalidArgumentError

__all__ = ["to_unix_seconds"]

Query = tuple[tuple[str, str], ...]


def encode_query(values: Mapping[str, Any]) -> Query:
    """Return the names and values of a query.

    A list repeats its name, None and empty lists are left out, booleans become ``true`` and ``false``, and datetimes
    become unix seconds.

    Raises:
        InvalidArgumentError: A value cannot be sent in a query.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            pairs.extend((name, _encode(name, item)) for item in value)
        else:
            pairs.append((name, _encode(name, value)))
    return tuple(pairs)


def _encode(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return validate_encodable(name, value)
    if isinstance(value, int):
        return str(validate_integer(name, value, -INT64_MAX))
    if isinstance(value, datetime):
        return str(to_unix_seconds(name, value))
    raise InvalidArgumentError(name, f"cannot be sent in a query: its type is {type(value).__name__}")


def to_unix_seconds(name: str, value: datetime | float, *, up: bool = False) -> int:
    """Return a datetime or unix seconds as whole unix seconds.

    Args:
        name: The name of the parameter, for errors.
        value: An aware datetime, or unix seconds.
        up: Whether to round up; down by default.

    Raises:
        InvalidArgumentError: The value is a datetime without a time zone, or neither a datetime nor a number.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidArgumentError(
                name, f"{value.isoformat()} has no time zone: add one, such as datetime(..., tzinfo=timezone.utc)"
            )
        value = value.timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= INT64_MAX:  # nan is not
        return math.ceil(value) if up else math.floor(value)
    raise InvalidArgumentError(name, f"must be a datetime or unix seconds, got {format_value(value)}")
