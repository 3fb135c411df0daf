"""The base class of all models.

Rules for fields:

- The id of a document is required, and so is the list of a page: without it the response is not a page, and an empty
  page would end the list early. Every other field has a default, which a missing or null value becomes.
- The default of text, numbers and optional objects is None: an unknown number is not 0. The default of a flag is False,
  that of a collection is empty, and that of an object which the specification requires is an object with defaults, so
  that ``conversation.metadata.cost`` never raises.
- A field that can be null, by specification or by observation, and whose default is not None, is marked as `OrNull`;
  ``__post_init__`` replaces the null. Any other null means that the document is normalized (see `_normalize`).
- Equal numbers of another type (``1.0`` for 1) are accepted, unknown fields are ignored, unknown enum values are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar

import msgspec

from convai_async.models._decoding import get_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Model", "UnknownVariant"]

T = TypeVar("T")

if TYPE_CHECKING:
    OrNull = Annotated[T, "can be null in JSON"]
else:

    class OrNull:
        """The type of a field that can be null in JSON; the model replaces null by the default."""

        def __class_getitem__(cls, kind: type) -> object:
            return kind | None


_HIDDEN = "***"


class _PydanticSerializer:
    """The serializer that pydantic uses for a model in a field of another type, such as ``dict[str, Any]``."""

    def __get__(self, _: object, model: type[Model]) -> Any:
        try:
            from convai_async.models._pydantic import build_serializer  # noqa: PLC0415 - needs pydantic
        except ModuleNotFoundError as error:
            raise AttributeError(str(error)) from error
        return build_serializer(model)


class Model(msgspec.Struct, kw_only=True, gc=False):
    """The base class of the service's documents and their parts.

    A model is a `msgspec.Struct`: compare, copy, pickle and match it, or encode it with `msgspec.json.encode`. Models
    are not tracked by the garbage collector, so do not create reference cycles with them.
    """

    secret_fields: ClassVar[tuple[str, ...]] = ()
    """The names of fields whose values the repr does not show."""

    @classmethod
    def from_json(cls, document: bytes | str) -> Self:
        """Decode a document from JSON, such as the ``raw`` column of an archive.

        Raises:
            DecodeError: The document is not JSON, or not valid for this model.
        """
        # Half a surrogate pair is invalid: "surrogatepass" encodes it, and the decoder then refuses the bytes.
        return get_decoder(cls)(document.encode(errors="surrogatepass") if isinstance(document, str) else document)

    def to_builtins(self) -> Any:
        """Return the model as dicts, lists, strings and numbers."""
        return msgspec.json.decode(msgspec.json.encode(self))

    def to_json(self) -> bytes:
        """Return the model as JSON, which `from_json` decodes."""
        return msgspec.json.encode(self)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Iterate over the items of `to_builtins`, so that ``dict(model)`` returns the same."""
        return iter(self.to_builtins().items())

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Return the schema that lets pydantic and FastAPI use the model like their own."""
        from convai_async.models._pydantic import build_pydantic_schema  # noqa: PLC0415 - needs pydantic

        return build_pydantic_schema(cls)

    __pydantic_serializer__ = _PydanticSerializer()

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the names and values for the repr, with secrets hidden."""
        hidden = self.secret_fields
        return [
            (name, _HIDDEN if name in hidden and getattr(self, name) else getattr(self, name))
            for name in self.__struct_fields__
        ]


class UnknownVariant(Model):
    """A variant of a union that this version does not know.

    Attributes:
        tag: The service's name of the variant, or None if it has none.
        raw: The variant as decoded JSON.
    """

    tag: str | None = None
    raw: Any = None
