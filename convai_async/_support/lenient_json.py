"""Decode JSON that strict decoders reject."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATES = re.compile("[\ud800-\udfff]")
_WHITESPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(strict=False)
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode

DECODE_ERRORS = (ValueError, TypeError, RecursionError)
"""The exceptions of decoders: those of msgspec, of invalid UTF-8, of open unions and of deep nesting."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Replaces bytes that are not UTF-8, and halves of surrogate pairs."""


def decode_json(body: bytes) -> Any:
    """Decode JSON; if it is not valid, decode it with `decode_lenient`."""
    try:
        return msgspec.json.decode(body)
    except DECODE_ERRORS:
        return decode_lenient(body)


def decode_lenient(body: bytes) -> Any:
    """Decode JSON that can start with a byte order mark, and contain invalid text and numbers.

    NaN, infinities and numbers that are too large for a float become None.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK).decode(errors="replace")
    value = json.loads(text, strict=False, parse_constant=_replace_constant, parse_float=_finite_or_none)
    # In the text as a whole, so that surrogates are replaced at any depth and in names.
    return json.loads(_SURROGATES.sub(REPLACEMENT, json.dumps(value, ensure_ascii=False)))


def split_object(body: bytes) -> dict[str, bytes]:
    """Return the fields of a JSON object with their undecoded values, which `decode_lenient` can decode.

    Raises:
        ValueError: It is not a JSON object.
        RecursionError: It is nested too deeply.
    """
    try:
        return {name: bytes(value) for name, value in _read_object(body).items()}
    except DECODE_ERRORS:
        return {json.loads(name, strict=False): value for name, value in _iterate_pieces(body, "{", "}")}


def split_list(body: bytes) -> list[bytes]:
    """Return the undecoded items of a JSON list, which `decode_lenient` can decode.

    Raises:
        ValueError: It is not a JSON list.
        RecursionError: It is nested too deeply.
    """
    try:
        return [bytes(item) for item in _read_list(body)]
    except DECODE_ERRORS:
        return [item for _, item in _iterate_pieces(body, "[", "]")]


def _iterate_pieces(body: bytes, opening: str, closing: str) -> Iterator[tuple[str, bytes]]:
    """Yield the undecoded names and values of an object, or the undecoded values of a list with empty names."""
    text = body.removeprefix(_BYTE_ORDER_MARK).decode(errors="surrogateescape")
    name = ""
    at = _skip(opening, text, _skip("", text, 0))
    while not (name == "" and text.startswith(closing, at)):
        if opening == "{":
            _skip('"', text, at)
            name, at = _read_piece(text, at)
            at = _skip(":", text, at)
        value, at = _read_piece(text, at)
        yield name, value.encode(errors="surrogateescape")
        if text.startswith(closing, at):
            break
        at = _skip(",", text, at)
    if _skip(closing, text, at) != len(text):
        raise ValueError("trailing characters")


def _read_piece(text: str, start: int) -> tuple[str, int]:
    try:
        _, end = _DECODER.raw_decode(text, start)
    except StopIteration as error:
        raise ValueError(f"expected a value (character {error.value})") from None
    return text[start:end], _skip("", text, end)


def _skip(token: str, text: str, at: int) -> int:
    """Return the position after a token and the whitespace that follows it."""
    if not text.startswith(token, at):
        raise ValueError(f"expected {token!r} (character {at})")
    whitespace = _WHITESPACE.match(text, at + len(token))
    return at if whitespace is None else whitespace.end()


def _replace_constant(_: str) -> None:
    return None


def _finite_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
