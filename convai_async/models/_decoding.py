"""One way from JSON to a model, for documents that keep to the contract and for those that do not quite."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from convai_async.errors import DecodeError
from convai_async.models._lenient_json import REFUSALS, decode_json
from convai_async.models._oddities import straightened
from convai_async.models._open_union import open_unions

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def decoder(model: type[T]) -> Callable[[bytes], T]:
    """Return the function that decodes a model, or a member of an open union, from JSON; there is one for each.

    It raises `DecodeError`, with the path of the misfit and the bytes, and nothing else.
    """
    return _decoder_of(model)


def item_decoder(model: type[T]) -> Callable[[bytes], T]:
    """Return the function that decodes an item of a list: as `decoder`, but a field that does not fit has its default.

    It raises `DecodeError` when the item is not an object, or its id does not fit.
    """
    return _item_decoder_of(model)


def _new_decoder(model: Any) -> Callable[[bytes], Any]:
    parse = _parser(model)

    def decode(body: bytes) -> Any:
        try:
            return parse(body)
        except REFUSALS as error:
            refusal = error
        try:
            return parse(msgspec.json.encode(_normalized(body, model, refusal)))
        except REFUSALS as error:
            raise DecodeError.from_message(str(error), body) from None

    return decode


def _new_item_decoder(model: Any) -> Callable[[bytes], Any]:
    parse, decode_whole = _parser(model), _decoder_of(model)
    required = {field.encode_name for field in msgspec.structs.fields(model) if field.required}

    def decode(body: bytes) -> Any:
        try:
            return decode_whole(body)
        except DecodeError as error:
            if error.retryable:  # nothing of it is what it should be
                raise
            misfit = error
        value = _normalized(body, model, misfit)
        while True:
            name = misfit.path.removeprefix("$.").partition(".")[0].partition("[")[0]
            if name in required or name not in value:
                raise misfit
            del value[name]
            try:
                return parse(msgspec.json.encode(value))
            except REFUSALS as error:
                misfit = DecodeError.from_message(str(error), body)

    return decode


def _parser(model: Any) -> Callable[[bytes], Any]:
    union = open_unions.get(model)
    return msgspec.json.Decoder(model, strict=False).decode if union is None else union.decode


_decoder_of: Callable[[Any], Callable[[bytes], Any]] = cache(_new_decoder)
_item_decoder_of: Callable[[Any], Callable[[bytes], Any]] = cache(_new_item_decoder)


def _normalized(body: bytes, model: Any, refusal: Exception) -> Any:
    """Return decoded JSON in the contract's form.

    Raises:
        Exception: It is not JSON: the refusal, which says so better.
    """
    try:
        value = decode_json(body)
    except REFUSALS:
        raise refusal from None
    return straightened(value, model)
