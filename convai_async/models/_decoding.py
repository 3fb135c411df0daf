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

    def decode(body: bytes) -> T:
        try:
            try:
                return parse(body)
            except msgspec.ValidationError:
                return parse(msgspec.json.encode(straightened(msgspec.json.decode(body), model)))
        except (ValueError, TypeError, RecursionError) as error:  # msgspec's own, bad UTF-8, too deep
            no_json = not isinstance(error, msgspec.ValidationError)
            raise DecodeError.from_message(str(error), body, retryable=no_json) from None

    return decode
