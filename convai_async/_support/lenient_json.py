"""JSON that strict decoders refuse: read as well as it can be."""

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
"""What decoding raises: msgspec's own and those of bad UTF-8, of open unions, and of depth."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for bytes that are not UTF-8, and for halves of surrogate pairs."""


def decode_json(body: bytes) -> Any:
    """Decode JSON: strictly, and otherwise by `decode_lenient`."""
    try:
        return msgspec.json.decode(body)
    except DECODE_ERRORS:
        return decode_lenient(body)


def decode_lenient(body: bytes) -> Any:
    """Decode JSON that may begin with a byte order mark, and hold broken text and numbers that are none.

    NaN, the infinities and numbers too large for a float are None.

    Raises:
        ValueError: It is not JSON all the same.
        RecursionError: It is too deep.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK).decode(errors="replace")
    value = json.loads(text, strict=False, parse_constant=_no_number, parse_float=_finite)
    # Once more in one text: replaces surrogates at any depth, in names too.
    return json.loads(_SURROGATES.sub(REPLACEMENT, json.dumps(value, ensure_ascii=False)))


def split_object(body: bytes) -> dict[str, bytes]:
    """Return the fields of a JSON object, each as it came: what is inside may be as broken as `decode_lenient` takes.

    Raises:
        ValueError: It is not JSON, or not an object.
        RecursionError: It is too deep.
    """
    try:
        return {name: bytes(value) for name, value in _read_object(body).items()}
    except DECODE_ERRORS:
        return {json.loads(name, strict=False): value for name, value in _pieces(body, "{", "}")}


def split_list(body: bytes) -> list[bytes]:
    """Return the items of a JSON list, each as it came; see `split_object`.

    Raises:
        ValueError: It is not JSON, or not a list.
        RecursionError: It is too deep.
    """
    try:
        return [bytes(item) for item in _read_list(body)]
    except DECODE_ERRORS:
        return [item for _, item in _pieces(body, "[", "]")]


def _pieces(body: bytes, opening: str, closing: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names, as JSON, and the values of an object; or the values of a list."""
    text = body.removeprefix(_BYTE_ORDER_MARK).decode(errors="surrogateescape")
    name = ""
    at = _after(opening, text, _after("", text, 0))
    while not (name == "" and text.startswith(closing, at)):
        if opening == "{":
            _after('"', text, at)
            name, at = _piece(text, at)
            at = _after(":", text, at)
        value, at = _piece(text, at)
        yield name, value.encode(errors="surrogateescape")
        if text.startswith(closing, at):
            break
        at = _after(",", text, at)
    if _after(closing, text, at) != len(text):
        raise ValueError("trailing characters")


def _piece(text: str, start: int) -> tuple[str, int]:
    try:
        _, end = _DECODER.raw_decode(text, start)
    except StopIteration as error:
        raise ValueError(f"expected a value (character {error.value})") from None
    return text[start:end], _after("", text, end)


def _after(token: str, text: str, at: int) -> int:
    """Return where the next token begins, after this one and whitespace."""
    if not text.startswith(token, at):
        raise ValueError(f"expected {token!r} (character {at})")
    whitespace = _WHITESPACE.match(text, at + len(token))
    return at if whitespace is None else whitespace.end()


def _no_number(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
