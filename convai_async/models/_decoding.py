"""Decode models from JSON, whether they conform to the specification or need to be normalized first."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json
from convai_async.errors import DecodeError
from convai_async.models._normalize import normalize
from convai_async.models._open_union import open_unions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["get_decoder"]

T = TypeVar("T")

_LARGE = 1024 * 1024
"""The size in bytes from which a document is decoded in parts, since msgspec holds the GIL while it decodes."""

_ITEMS = 64
"""The number of list items that are decoded at a time."""


def get_decoder(model: type[T]) -> Callable[[bytes], T]:
    """Return the function that decodes a model, or a member of an open union, from JSON. It is created once.

    The function raises `DecodeError`, with the path of the invalid value and the document, and no other error.
    """
    return _decoder_of(model)


def get_item_decoder(model: type[T]) -> Callable[[bytes], T]:
    """Return the function that decodes an item of a list, and replaces an invalid field by its default.

    The function raises `DecodeError` if the item is not an object, or its id is missing or invalid.
    """
    return _item_decoder_of(model)


def _build_decoder(model: Any, droppable: Collection[str] = ()) -> Callable[[bytes], Any]:
    """Return a decoder that leaves out an invalid field if it is droppable."""
    union = open_unions.get(model)
    parse = msgspec.json.Decoder(model, strict=False).decode if union is None else union.decode

    parts: tuple[str, type] | None = getattr(model, "decoded_in_parts", None)

    def decode(body: bytes) -> Any:
        if parts is not None and len(body) > _LARGE:
            decoded = _decode_in_parts(decode, body, *parts)
            if decoded is not None:
                return decoded
        # Keep the message and not the error, whose traceback would keep this frame and so the body in memory.
        try:
            return parse(body)
        except DECODE_ERRORS as error:
            message = str(error)
        value = _decode_and_normalize(body, model, message)
        while True:
            try:
                return parse(msgspec.json.encode(value))
            except DECODE_ERRORS as error:
                message = str(error)
            field = _get_field(message)
            if field not in droppable or not isinstance(value, dict) or field not in value:
                raise DecodeError.from_message(message, body)
            del value[field]

    return decode


def _build_item_decoder(model: Any) -> Callable[[bytes], Any]:
    return _build_decoder(model, {field.encode_name for field in msgspec.structs.fields(model) if not field.required})


_decoder_of: Callable[[Any], Callable[[bytes], Any]] = cache(_build_decoder)
_item_decoder_of: Callable[[Any], Callable[[bytes], Any]] = cache(_build_item_decoder)


def _decode_and_normalize(body: bytes, model: Any, message: str) -> Any:
    """Return normalized JSON.

    Raises:
        DecodeError: The body is not JSON, as the message says.
    """
    try:
        value = decode_json(body)
    except DECODE_ERRORS:
        raise DecodeError.from_message(message, body) from None
    return normalize(value, model)


def _get_field(message: str) -> str:
    """Return the top-level field that a decoder's message is about."""
    return DecodeError.from_message(message, b"").path.removeprefix("$.").partition(".")[0].partition("[")[0]


def _decode_in_parts(decode: Callable[[bytes], T], body: bytes, field: str, item: Any) -> T | None:
    """Decode a document with a long list in ``field``, some items at a time; return None if that is not possible."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        items = msgspec.json.decode(fields[field], type=list[msgspec.Raw])
        fields[field] = msgspec.Raw(b"[]")
        rest = msgspec.json.encode(fields)
        if len(rest) > _LARGE:
            return None
        decoded = decode(rest)
        decode_items = get_decoder(tuple[item, ...])
        made: list[Any] = []
        for start in range(0, len(items), _ITEMS):
            made += decode_items(b"[" + b",".join(items[start : start + _ITEMS]) + b"]")
        setattr(decoded, field, tuple(made))
    except (DecodeError, KeyError, *DECODE_ERRORS):
        return None  # decoding the whole document finds the problem and its path
    return decoded
