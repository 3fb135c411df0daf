"""One way from JSON to a model, for documents that keep to the contract and for those that do not quite."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json
from convai_async.errors import DecodeError
from convai_async.models._normalize import normalized
from convai_async.models._open_union import open_unions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["get_decoder"]

T = TypeVar("T")

_LARGE = 1024 * 1024
"""Bytes from which a document is decoded in parts: msgspec holds the interpreter's lock for a whole call."""

_ITEMS = 64


def get_decoder(model: type[T]) -> Callable[[bytes], T]:
    """Return the function that decodes a model, or a member of an open union, from JSON; there is one for each.

    It raises `DecodeError`, with the path of the misfit and the bytes, and nothing else.
    """
    return _decoder_of(model)


def get_item_decoder(model: type[T]) -> Callable[[bytes], T]:
    """Return the function that decodes an item of a list; a field that does not fit gets its default.

    It raises `DecodeError` when the item is not an object, or its id does not fit.
    """
    return _item_decoder_of(model)


def _new_decoder(model: Any, droppable: Collection[str] = ()) -> Callable[[bytes], Any]:
    """Return a decoder that leaves out fields which do not fit, if they are among the droppable ones."""
    union = open_unions.get(model)
    parse = msgspec.json.Decoder(model, strict=False).decode if union is None else union.decode

    parts: tuple[str, type] | None = getattr(model, "decoded_in_parts", None)

    def decode(body: bytes) -> Any:
        if parts is not None and len(body) > _LARGE:
            decoded = _decode_in_parts(decode, body, *parts)
            if decoded is not None:
                return decoded
        # Messages, not the errors: their tracebacks would hold on to this frame, and so to the body.
        try:
            return parse(body)
        except DECODE_ERRORS as error:
            message = str(error)
        value = _normalized(body, model, message)
        while True:
            try:
                return parse(msgspec.json.encode(value))
            except DECODE_ERRORS as error:
                message = str(error)
            field = _field_of(message)
            if field not in droppable or not isinstance(value, dict) or field not in value:
                raise DecodeError.from_message(message, body)
            del value[field]

    return decode


def _new_item_decoder(model: Any) -> Callable[[bytes], Any]:
    return _new_decoder(model, {field.encode_name for field in msgspec.structs.fields(model) if not field.required})


_decoder_of: Callable[[Any], Callable[[bytes], Any]] = cache(_new_decoder)
_item_decoder_of: Callable[[Any], Callable[[bytes], Any]] = cache(_new_item_decoder)


def _normalized(body: bytes, model: Any, message: str) -> Any:
    """Return decoded JSON in the contract's form.

    Raises:
        DecodeError: It is not JSON, as the message says.
    """
    try:
        value = decode_json(body)
    except DECODE_ERRORS:
        raise DecodeError.from_message(message, body) from None
    return normalized(value, model)


def _field_of(message: str) -> str:
    """Return the field of a document in which a decoder met something that does not fit."""
    return DecodeError.from_message(message, b"").path.removeprefix("$.").partition(".")[0].partition("[")[0]


def _decode_in_parts(decode: Callable[[bytes], T], body: bytes, field: str, item: Any) -> T | None:
    """Decode a document whose ``field`` is a long list, some items at a time; None if that is not possible."""
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
        return None  # decoding the whole says what is wrong, and where
    return decoded
