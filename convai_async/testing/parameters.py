"""Reads the parameters and JSON bodies of requests, and refuses what the service refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.replies import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web
    from multidict import MultiMapping

_INTEGER = re.compile(r"-?[0-9]{1,40}")
_MOST_VALUES = 50


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of an operation.

    Attributes:
        read: Returns a value from its text; a ValueError says what is wrong with it.
        default: The value when the parameter is left out.
        required: Whether leaving it out is an error.
        most: How many values it takes; more than one makes it a list.
    """

    read: Callable[[str], Any]
    default: Any = None
    required: bool = False
    most: int = 1


def integer(minimum: int | None = None, maximum: int | None = None, *, default: int | None = None) -> Parameter:
    """Return a parameter that is a whole number within bounds."""

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
    """Return a parameter that is true or false."""
    values = {"true": True, "false": False, "1": True, "0": False}

    def read(text: str) -> bool:
        if text.lower() not in values:
            raise ValueError("Input should be a valid boolean, unable to interpret input")
        return values[text.lower()]

    return Parameter(read=read, default=default)


def text(*, required: bool = False) -> Parameter:
    """Return a parameter that is any text; an empty one counts as left out."""
    return Parameter(read=str, required=required)


def one_of(*values: str, default: str | None = None) -> Parameter:
    """Return a parameter that is one of a few texts."""
    return Parameter(read=_choice(values), default=default)


def several(*values: str, read: Callable[[str], Any] = str, most: int = 10_000) -> Parameter:
    """Return a parameter that may be repeated, of texts, or only of these texts."""
    return Parameter(read=_choice(values) if values else read, most=most)


def several_ids() -> Parameter:
    """Return a parameter that may be repeated up to 50 times."""
    return several(most=_MOST_VALUES)


def _choice(values: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in values:
            raise ValueError(f"Input should be {', '.join(map(repr, values))}")
        return value

    return read


def read_query(
    query: MultiMapping[str], parameters: Mapping[str, Parameter], *, ignore_unknown: bool
) -> dict[str, Any]:
    """Return the value of every parameter of an operation.

    Raises:
        RefusedError: A value is wrong or missing, or there is no such parameter.
    """
    unknown = [name for name in query if name not in parameters]
    if unknown and not ignore_unknown:
        raise invalid(
            ("query", unknown[0]),
            "This fake service does not know this parameter. The real one would ignore it and answer as if it were"
            " not there; FakeConvAI(ignore_unknown_parameters=True) does the same.",
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
    """Return a request's JSON object.

    Args:
        request: The request.
        fields: The type of each field, as msgspec understands it.
        required: The field that must be there.
        ignore_unknown: Whether other fields are allowed.

    Raises:
        RefusedError: It is not a JSON object, or a field is wrong, missing or unknown.
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
                "This fake service does not know this field; FakeConvAI(ignore_unknown_parameters=True) ignores it.",
            )
    return document
