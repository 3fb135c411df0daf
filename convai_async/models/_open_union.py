"""Unions of models, told apart by a tag, that new tags do not break.

A model's field says ``results: tuple[ByTag[ToolResult], ...]``. To type checkers these are tool results. To
msgspec they are undecoded pieces of JSON, which the model's ``__post_init__`` has read by the `OpenUnion` of
these tool results. (A union of msgspec's own refuses what it does not know; one that a hook reads costs three times
as much.)
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

if TYPE_CHECKING:
    ByTag = Annotated[T, "by its tag"]
    ByTagOrNull = Annotated[T | None, "by its tag"]
else:

    class ByTag:
        """The type of a field that holds a member of an open union."""

        def __class_getitem__(cls, union: object) -> object:
            return Annotated[msgspec.Raw, union]

    ByTagOrNull = ByTag  # of msgspec's types only Raw itself takes any JSON; `OpenUnion.read` takes null

_UNKNOWN_FIELDS = {"tag", "raw"}


class OpenUnion(Generic[T]):
    """Reads members of a union.

    Args:
        union: The union, as ``A | B | UnknownVariant``.
        tag: The field whose value tells the variants apart.
        variants: The models, by that value; None stands for a tag that is null or missing.
        unknown: Makes a member of anything else, from ``tag`` and ``raw``.
    """

    def __init__(
        self, union: object, *, tag: str, variants: Mapping[str | None, type[msgspec.Struct]], unknown: Callable[..., T]
    ) -> None:
        self.tag = tag
        self._variants = variants
        self._unknown = unknown
        open_unions[union] = self

    def decode(self, piece: bytes | msgspec.Raw) -> T:
        """Return the member that a piece of JSON is.

        Raises:
            msgspec.DecodeError: It is no JSON, or does not fit.
        """
        try:
            tag = self._peek(piece).tag
        except msgspec.ValidationError:  # no object, or its tag no text
            return self._unknown(tag=None, raw=msgspec.json.decode(piece))
        decode = self._decoders.get(tag)
        if decode is None or tag is None:
            value = msgspec.json.decode(piece)
            if tag is None and value.keys() == _UNKNOWN_FIELDS:
                return self._unknown(**value)  # one that was encoded before
            if decode is None:
                return self._unknown(tag=tag, raw=value)
        return decode(piece)

    def read(self, piece: T | None, field: str) -> T | None:
        """Return the member that a piece of JSON is, None for null; what was read before, as it is.

        Args:
            piece: The piece.
            field: Where it stands, for errors.

        Raises:
            TypeError: It does not fit.
        """
        if type(piece) is not msgspec.Raw:
            return piece
        return None if bytes(piece) == b"null" else self._read(piece, field)

    def read_all(self, pieces: tuple[T, ...], field: str) -> tuple[T, ...]:
        """Return the members that pieces of JSON are; see `read`."""
        return tuple(
            [
                self._read(piece, f"{field}[{index}]") if type(piece) is msgspec.Raw else piece
                for index, piece in enumerate(pieces)
            ]
        )

    def variant_of(self, value: object) -> type[msgspec.Struct] | None:
        """Return the model of a decoded JSON value, or None when it is unknown."""
        tag = value.get(self.tag) if isinstance(value, dict) else self
        return self._variants.get(tag) if tag is None or isinstance(tag, str) else None

    def _read(self, piece: Any, field: str) -> T:
        try:
            return self.decode(piece)
        except msgspec.ValidationError as error:  # whose path msgspec would not lengthen, unlike a TypeError's
            raise TypeError(f"{error} - at `$.{field}`") from None

    # Decoders are made when they are needed: not by an import, and variants can hold the union again.

    @cached_property
    def _peek(self) -> Callable[[Any], Any]:
        peek = msgspec.defstruct("Peek", [("tag", str | None, None)], rename={"tag": self.tag}, gc=False)
        return msgspec.json.Decoder(peek).decode

    @cached_property
    def _decoders(self) -> dict[str | None, Callable[[Any], T]]:
        return {
            tag: msgspec.json.Decoder(cast("type[T]", model), strict=False).decode
            for tag, model in self._variants.items()
        }


open_unions: dict[object, OpenUnion[Any]] = {}
"""The reader of each open union."""
