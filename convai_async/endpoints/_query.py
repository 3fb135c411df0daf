"""Encode query parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from convai_async._support.validate import INT64_MAX, to_unix_seconds, validate_encodable, validate_integer
from convai_async.errors import InvalidArgumentError

__all__ = ["to_unix_seconds"]

Query = tuple[tuple[str, str], ...]


def encode_query(values: Mapping[str, Any]) -> Query:
    """Return the names and values of a query.

    A list repeats its name, None and empty lists are left out, booleans become ``true`` and ``false``, and datetimes
    become Unix seconds.

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
