"""Check arguments before a request is sent.

Each function raises `InvalidArgumentError`, which names the parameter, if the value is not valid.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from typing import Any

T = TypeVar("T")

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
"""Other integers do not fit into a database, and Python does not format those with thousands of digits."""
MAX_PAGE_SIZE = 100
MAX_SEARCH_PAGE_SIZE = 50
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(;[ -~]*)?", re.ASCII)


def validate_optional(validate: Callable[[str, Any], T], parameter: str, value: object) -> T | None:
    """Return the value after a check, or None without a check."""
    return None if value is None else validate(parameter, value)


def validate_id(parameter: str, value: str) -> str:
    """Return an id that can be a segment of a path.

    Raises:
        InvalidArgumentError: It is not a string, is empty, ``.`` or ``..``, or contains control characters.
    """
    validate_text(parameter, value)
    if value in {".", ".."}:
        raise InvalidArgumentError(parameter, f"{value!r} is a path segment, not an id")
    if not value.isprintable():
        raise InvalidArgumentError(parameter, f"{value!r} contains a control character or a line break: strip it")
    return value


def validate_text(parameter: str, value: str, *, blank: bool = False) -> str:
    """Return text with any characters that UTF-8 can encode.

    Raises:
        InvalidArgumentError: It is not a string, contains half a surrogate pair, or is blank and ``blank`` is False.
    """
    if not isinstance(value, str):
        raise InvalidArgumentError(parameter, f"must be a string, not {type(value).__name__}")
    if not blank and not value.strip():
        raise InvalidArgumentError(parameter, "must not be empty")
    return validate_encodable(parameter, value)


def validate_encodable(parameter: str, value: str) -> str:
    """Return text that UTF-8 can encode.

    Raises:
        InvalidArgumentError: It contains half a surrogate pair.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(parameter, "contains half a surrogate pair, which UTF-8 cannot encode") from None
    return value


def validate_texts(parameter: str, value: str | Sequence[str], most: int | None = None) -> Sequence[str]:
    """Return one or several texts as a sequence.

    Raises:
        InvalidArgumentError: It is not a text or a sequence of texts, or has too many of them.
    """
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or isinstance(texts, bytes):
        raise InvalidArgumentError(parameter, f"must be a string or a list of strings, not {type(value).__name__}")
    if most is not None and len(texts) > most:
        raise InvalidArgumentError(parameter, f"must have at most {most} values, got {len(texts)}")
    return tuple(validate_text(parameter, text) for text in texts)


def validate_integer(parameter: str, value: int, smallest: int, largest: int = INT64_MAX) -> int:
    """Return a whole number within bounds.

    Raises:
        InvalidArgumentError: It is not a whole number, or is out of bounds.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not smallest <= value <= largest:
        bounds = f", {smallest} or more" if largest == INT64_MAX else f" from {smallest} to {largest}"
        raise InvalidArgumentError(parameter, f"must be a whole number{bounds}, got {format_value(value)}")
    return value


def validate_page_size(page_size: int | None, largest: int = MAX_PAGE_SIZE) -> int | None:
    """Return a page size that the service accepts, or None for the service's default.

    Raises:
        InvalidArgumentError: It is not a whole number from 1 to ``largest``.
    """
    return None if page_size is None else validate_integer("page_size", page_size, 1, largest)


def validate_seconds(parameter: str, value: float, *, positive: bool = False) -> None:
    """Check that a value is a finite number of seconds: 0 or more, or more than 0 if ``positive``.

    Raises:
        InvalidArgumentError: It is not a number, or is out of bounds.
    """
    if not is_number(value) or not 0 <= value <= sys.float_info.max or (positive and value == 0):
        bounds = "more than 0" if positive else "0 or more"
        raise InvalidArgumentError(parameter, f"must be a number of seconds, {bounds}, got {format_value(value)}")


def validate_share(parameter: str, value: float) -> float:
    """Return a share, from 0 to 1.

    Raises:
        InvalidArgumentError: It is not a number, or out of bounds.
    """
    if not is_number(value) or not 0 <= value <= 1:
        raise InvalidArgumentError(parameter, f"must be a share from 0 to 1, got {format_value(value)}")
    return value


def validate_flag(parameter: str, value: bool) -> bool:  # noqa: FBT001 - the value that is checked
    """Return a boolean.

    Raises:
        InvalidArgumentError: It is another value.
    """
    if not isinstance(value, bool):
        raise InvalidArgumentError(parameter, f"must be True or False, got {format_value(value)}")
    return value


def validate_choice(parameter: str, value: T, choices: Collection[T]) -> T:
    """Return one of the values that the service knows.

    Raises:
        InvalidArgumentError: It is another value.
    """
    if value not in choices:
        *others, last = map(repr, choices)
        raise InvalidArgumentError(parameter, f"must be {', '.join(others)} or {last}, got {format_value(value)}")
    return value


def validate_media_type(parameter: str, value: str) -> str:
    """Return a media type, such as ``"image/png"``.

    Raises:
        InvalidArgumentError: It is another value.
    """
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        raise InvalidArgumentError(parameter, f"must be a media type, such as 'image/png', got {format_value(value)}")
    return value


def validate_order(low_name: str, low: int | None, high_name: str, high: int | None) -> None:
    """Check that a range does not end before it starts.

    Raises:
        InvalidArgumentError: The lower bound is above the upper one.
    """
    if low is not None and high is not None and low > high:
        raise InvalidArgumentError(low_name, f"{low} is more than {high_name}, {high}")


def to_unix_seconds(name: str, value: datetime | float, *, up: bool = False) -> int:
    """Return a datetime or Unix seconds as whole Unix seconds.

    Args:
        name: The name of the parameter, for errors.
        value: An aware datetime, or Unix seconds.
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
    if is_number(value) and abs(value) <= INT64_MAX:  # nan is not
        return math.ceil(value) if up else math.floor(value)
    raise InvalidArgumentError(name, f"must be a datetime or Unix seconds, got {format_value(value)}")


def is_number(value: object) -> bool:
    """Return whether a value is an integer or a float; a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def format_value(value: object) -> str:
    """Return a value as text for an error message."""
    return "a huge number" if isinstance(value, int) and abs(value) > INT64_MAX else repr(value)
