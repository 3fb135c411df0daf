"""Validate filters, and convert their values for the query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from convai_async._support.validate import (
    validate_flag,
    validate_id,
    validate_integer,
    validate_order,
    validate_text,
    validate_texts,
)
from convai_async.endpoints._query import to_unix_seconds
from convai_async.errors import InvalidArgumentError

_RANGES = (
    ("call_start_after_unix", "call_start_before_unix"),
    ("call_duration_min_secs", "call_duration_max_secs"),
    ("rating_min", "rating_max"),
)


def validate_filters(filters: Mapping[str, Any], known: type) -> dict[str, Any]:
    """Return the values of filters for the query.

    The service ignores an unknown parameter, so it would return everything for a misspelled filter.

    Args:
        filters: The values, by name.
        known: The TypedDict of the known filters.

    Raises:
        TypeError: A filter is unknown.
        InvalidArgumentError: A value is empty, out of range or of the wrong type, or a range ends before it begins.
    """
    validators = _build_validators(known)
    values: dict[str, Any] = {}
    for name, value in filters.items():
        if name not in validators:
            from difflib import get_close_matches  # noqa: PLC0415 - rarely needed

            close = get_close_matches(name, validators, n=1)
            hint = f": did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(validators))}"
            raise TypeError(f"{name!r} is not a filter of this list{hint}")
        if value is None:
            continue
        if _is_blank(value):
            # The service would ignore it.
            raise InvalidArgumentError(name, "is empty, which would list everything: leave it out, or pass None")
        values[name] = validators[name](name, value)
    for low, high in _RANGES:
        validate_order(low, values.get(low), high, values.get(high))
    return values


@cache
def _build_validators(known: type) -> dict[str, Callable[[str, Any], Any]]:
    hints = get_type_hints(known, include_extras=True)
    return {name: _build_validator(name, get_args(hint)) for name, hint in hints.items()}


def _build_validator(name: str, kinds: Sequence[Any]) -> Callable[[str, Any], Any]:
    """Return the function that validates a filter of these types."""
    for kind in kinds:
        if get_origin(kind) is Annotated:
            inner, bounds = get_args(kind)
            if inner is int:
                return partial(validate_integer, **bounds._asdict())
            return partial(validate_texts, most=bounds.largest)
        if kind is bool:
            return validate_flag
        if kind is datetime:
            # Rounding never makes the range narrower.
            return partial(to_unix_seconds, up=name.endswith("_before_unix"))
        if get_origin(kind) is Sequence:
            return validate_texts
    return validate_id if name == "agent_id" else validate_text


def _is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, Sequence) and not value
