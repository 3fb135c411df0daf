"""Parses and validates query parameters and JSON bodies as the real service does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.responses import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web
    from multidict import MultiMapping

_INTEGER = re.compile(r"-?[0-9]{1,40}")
_MOST_VALUES = 50


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter.

    Attributes:
        read: Parses a value; raises ValueError with the message of the 422.
        default: The value of a missing parameter.
        required: Whether a missing parameter is an error.
        most: The largest number of values; the parameter is a list if it is more than 1.
    """

    read: Callable[[str], Any]
    default: Any = None
    required: bool = False
    most: int = 1


def integer(minimum: int | None = None, maximum: int | None = None, *, default: int | None = None) -> Parameter:
    """Declare an integer parameter with optional bounds."""

    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError("Input should be a valid integer, unable to parse string as an integer")
        number = int(text)
        if minimum is not None and number < minimum:
            raise ValueError(f"Input should be greater than or equal to {minimum}")
        if maximum is not None and number > maximum:
            raise ValueError(f"Input should be less than or equal to {maximum}")
        return number

    return Parameter(read=read, default=default)


def boolean(*, default: bool | None = None) -> Parameter:
    """Declare a boolean parameter."""
    values = {"true": True, "false": False, "1": True, "0": False}

    def read(text: str) -> bool:
        if text.lower() not in values:
            raise ValueError("Input should be a valid boolean, unable to interpret input")
        return values[text.lower()]

    return Parameter(read=read, default=default)


def text(*, required: bool = False) -> Parameter:
    """Declare a text parameter; empty text counts as missing."""
    return Parameter(read=str, required=required)


def one_of(*values: str, default: str | None = None) -> Parameter:
    """Declare a parameter with these choices."""
    return Parameter(read=_build_choice_reader(values), default=default)


def several(*values: str, read: Callable[[str], Any] = str, most: int = 10_000) -> Parameter:
    """Declare a parameter that may be repeated, of any text or with these choices."""
    return Parameter(read=_build_choice_reader(values) if values else read, most=most)


def several_ids() -> Parameter:
    """Declare a parameter that may be repeated up to 50 times."""
    return several(most=_MOST_VALUES)


def _build_choice_reader(values: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in values:
            raise ValueError(f"Input should be {', '.join(map(repr, values))}")
        return value

    return read


def read_query(
    query: MultiMapping[str], parameters: Mapping[str, Parameter], *, ignore_unknown: bool
) -> dict[str, Any]:
    """Return the values of all query parameters of a route.

    Raises:
        RefusedError: A value is invalid or missing, or a parameter is unknown.
    """
    unknown = [name for name in query if name not in parameters]
    if unknown and not ignore_unknown:
        raise invalid(
            ("query", unknown[0]),
            "Unknown parameter. The real service ignores it; FakeConvAI(ignore_unknown_parameters=True) does the same.",
        )
    return {name: _read(name, query.getall(name, []), parameter) for name, parameter in parameters.items()}


def _read(name: str, texts: list[str], parameter: Parameter) -> Any:
    if parameter.read is str:
        texts = [each for each in texts if each]
    if not texts:
        if parameter.required:
            raise invalid(("query", name), "Field required")
        return parameter.default
    if len(texts) > parameter.most:
        raise invalid(("query", name), f"Given {len(texts)} times; at most {parameter.most} are allowed")
    try:
        values = [parameter.read(each) for each in texts]
    except ValueError as error:
        raise invalid(("query", name), str(error)) from None
    return values if parameter.most > 1 else values[0]


async def read_body(
    request: web.Request, fields: Mapping[str, Any], *, required: str = "", ignore_unknown: bool
) -> dict[str, Any]:
    """Return the JSON object in the body of a request.

    Args:
        request: The request.
        fields: The msgspec type of each field.
        required: The name of the required field, if any.
        ignore_unknown: Whether other fields are allowed.

    Raises:
        RefusedError: The body is not a JSON object, or a field is invalid, missing or unknown.
    """
    try:
        document = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise invalid(("body",), "JSON decode error") from None
    if not isinstance(document, dict):
        raise invalid(("body",), "Input should be a valid dictionary")
    if required and required not in document:
        raise invalid(("body", required), "Field required")
    for name, value in document.items():
        if name in fields:
            try:
                msgspec.convert(value, fields[name])
            except msgspec.ValidationError as error:
                raise invalid(("body", name), str(error)) from None
        elif not ignore_unknown:
            raise invalid(
                ("body", name),
                "Unknown field. FakeConvAI(ignore_unknown_parameters=True) ignores unknown fields.",
            )
    return document
