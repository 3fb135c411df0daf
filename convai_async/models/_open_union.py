"""Tagged unions of models that accept unknown tags.

For a field such as ``results: tuple[ByTag[ToolResult], ...]``, type checkers see tool results, and msgspec sees
undecoded JSON (`msgspec.Raw`), which the model's ``__post_init__`` decodes with the `OpenUnion`. msgspec's own tagged
unions refuse unknown tags, and decoding with its ``dec_hook`` takes three times as long.
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

    ByTagOrNull = ByTag  # msgspec leaves only a plain Raw undecoded, which can be null

_UNKNOWN_FIELDS = {"tag", "raw"}


class OpenUnion(Generic[T]):
    """Decodes the members of a tagged union.

    Args:
        union: The union, such as ``A | B | UnknownVariant``.
        tag: The name of the field that has the tag.
        variants: The models, by tag. None stands for a missing or null tag.
        unknown: Creates the member for an unknown tag, from ``tag`` and ``raw``.
    """

    def __init__(
        self, union: object, *, tag: str, variants: Mapping[str | None, type[msgspec.Struct]], unknown: Callable[..., T]
    ) -> None:
        self.tag = tag
        self._variants = variants
        self._unknown = unknown
        open_unions[union] = self

    def decode(self, piece: bytes | msgspec.Raw) -> T:
        """Decode a member from JSON.

        Raises:
            msgspec.DecodeError: The JSON is malformed, or not valid for its variant.
        """
        try:
            tag = self._peek(piece).tag
        except msgspec.ValidationError:  # not an object, or the tag is not a string
            return self._unknown(tag=None, raw=msgspec.json.decode(piece))
        decode = self._decoders.get(tag)
        if decode is None or tag is None:
            value = msgspec.json.decode(piece)
            if value.keys() == _UNKNOWN_FIELDS:
                return self._unknown(**value)  # an unknown variant that was encoded
            if decode is None:
                return self._unknown(tag=tag, raw=value)
        return decode(piece)

    def read(self, piece: T | None, field: str) -> T | None:
        """Decode the value of a field. Null becomes None, and a value that is already decoded is returned unchanged.

        Args:
            piece: The undecoded value.
            field: The name of the field, for errors.

        Raises:
            TypeError: The value is not valid for its variant.
        """
        if type(piece) is not msgspec.Raw:
            return piece
        return None if bytes(piece) == b"null" else self._read(piece, field)

    def read_all(self, pieces: tuple[T, ...], field: str) -> tuple[T, ...]:
        """Decode the values of a list; see `read`."""
        return tuple(
            [
                self._read(piece, f"{field}[{index}]") if type(piece) is msgspec.Raw else piece
                for index, piece in enumerate(pieces)
            ]
        )

    def find_variant(self, value: object) -> type[msgspec.Struct] | None:
        """Return the model for a decoded JSON value, or None if its tag is unknown."""
        tag = value.get(self.tag) if isinstance(value, dict) else self
        return self._variants.get(tag) if tag is None or isinstance(tag, str) else None

    def _read(self, piece: Any, field: str) -> T:
        try:
            return self.decode(piece)
        except msgspec.ValidationError as error:  # msgspec adds the outer path to a TypeError only
            raise TypeError(f"{error} - at `$.{field}`") from None

    # Decoders are created on first use, for a fast import and since a variant can contain its own union.

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
"""The decoder of each open union."""
