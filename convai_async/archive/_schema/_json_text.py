"""Values of a document as text."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def encode_value(value: Any) -> str:
    """Return a value as JSON."""
    try:
        return _encode(value).decode()
    except (OverflowError, ValueError, TypeError):  # an integer of more than 64 bits
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)


def format_value(value: Any) -> str | None:
    """Return text as it is, None for null, and any other value as JSON."""
    return value if value is None or isinstance(value, str) else encode_value(value)


def get_json_type(value: Any) -> str:
    """Return the JSON type of a value: integers are ``"integer"``, other numbers ``"number"``."""
    return _TYPES.get(type(value), "object")


_encode = msgspec.json.Encoder().encode
_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    list: "array",
    tuple: "array",
}
