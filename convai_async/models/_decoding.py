"""One way from JSON to a model, for documents that keep to the contract and for those that do not quite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from convai_async.errors import DecodeError
from convai_async.models._oddities import straightened
from convai_async.models._open_union import open_unions

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LARGE = 1024 * 1024
"""Bytes from which a document is decoded in parts: msgspec holds the interpreter's lock for a whole call."""

_ITEMS = 64

_decoders: dict[Any, Callable[[bytes], Any]] = {}


def decoder(model: type[T]) -> Callable[[bytes], T]:
    """Return the function that decodes a model, or a member of an open union, from JSON; there is one for each.

    It raises `DecodeError`, with the path of the misfit and the bytes, and nothing else.
    """
    decode: Callable[[bytes], T] | None = _decoders.get(model)
    if decode is None:
        decode = _decoders[model] = _new_decoder(model)
    return decode


def _new_decoder(model: type[T]) -> Callable[[bytes], T]:
    union = open_unions.get(model)
    parse = msgspec.json.Decoder(model, strict=False).decode if union is None else union.decode

    parts: tuple[str, type] | None = getattr(model, "decoded_in_parts", None)

    def decode(body: bytes) -> T:
        if parts is not None and len(body) > _LARGE:
            decoded = _decode_in_parts(decode, body, *parts)
            if decoded is not None:
                return decoded
        try:
            try:
                return parse(body)
            except msgspec.ValidationError:
                return parse(msgspec.json.encode(straightened(msgspec.json.decode(body), model)))
        except (ValueError, TypeError, RecursionError) as error:  # msgspec's own, bad UTF-8, too deep
            no_json = not isinstance(error, msgspec.ValidationError)
            raise DecodeError.from_message(str(error), body, retryable=no_json) from None

    return decode


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
        decode_items = decoder(tuple[item, ...])
        made: list[Any] = []
        for start in range(0, len(items), _ITEMS):
            made += decode_items(b"[" + b",".join(items[start : start + _ITEMS]) + b"]")
        setattr(decoded, field, tuple(made))
    except (DecodeError, KeyError, TypeError, ValueError, RecursionError):
        return None  # decoding the whole says what is wrong, and where
    return decoded
