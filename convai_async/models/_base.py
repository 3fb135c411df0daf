"""What every model is built on.

The rules of the fields:

- The id that names a document is required, and so are the items of a page: without them it is no page, and to read
  it as an empty one would end a list early. Everything else has a default, which missing and null read as.
- Text, numbers and objects that may be absent are None by default: an unknown number is not 0. A flag is False, a
  collection empty, and an object that the contract promises is an empty one of its kind, so that
  ``conversation.metadata.cost`` never fails on the way.
- Nulls that the contract allows, or that were seen, are marked `OrNull` where the default is another, and a
  ``__post_init__`` replaces them. Any other null costs a document a second try (`_oddities`).
- Numbers of the right value in the other form (``1.0`` for 1) are accepted, unknown fields ignored, unknown
  enum values kept.
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
        """The type of a field that can be null in JSON, in whose place the model puts its default."""

        def __class_getitem__(cls, kind: type) -> object:
            return kind | None


_HIDDEN = "***"


class _PydanticSerializer:
    """What pydantic writes a model with where it was not told of its type, as in ``dict[str, Any]``."""

    def __get__(self, _: object, model: type[Model]) -> Any:
        try:
            from convai_async.models._pydantic import build_serializer  # noqa: PLC0415 - needs pydantic
        except ModuleNotFoundError as error:
            raise AttributeError(str(error)) from error
        return build_serializer(model)


class Model(msgspec.Struct, kw_only=True, gc=False):
    """A document of the service, or a part of one.

    Compare, copy, pickle and match it like any `msgspec.Struct`; `msgspec.json.encode` writes it as JSON. The
    garbage collector does not look into it: do not build cycles out of models.
    """

    secret_fields: ClassVar[tuple[str, ...]] = ()
    """Fields whose values a repr leaves out."""

    @classmethod
    def from_json(cls, document: bytes | str) -> Self:
        """Read a document that was kept as JSON, such as the ``raw`` of an archive.

        Raises:
            DecodeError: It is no JSON, or does not fit.
        """
        # A surrogate that stands alone is no text: encoded all the same, it is refused as any other bytes.
        return get_decoder(cls)(document.encode(errors="surrogatepass") if isinstance(document, str) else document)

    def to_builtins(self) -> Any:
        """Return the same as dicts, lists, strings and numbers."""
        return msgspec.json.decode(msgspec.json.encode(self))

    def to_json(self) -> bytes:
        """Return the same as JSON; `from_json` reads it back."""
        return msgspec.json.encode(self)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Iterate over the items of `to_builtins`, so that ``dict(model)`` is the same."""
        return iter(self.to_builtins().items())

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let pydantic, and so FastAPI, take the model as it takes its own."""
        from convai_async.models._pydantic import build_pydantic_schema  # noqa: PLC0415 - needs pydantic

        return build_pydantic_schema(cls)

    __pydantic_serializer__ = _PydanticSerializer()

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return names and values for a repr, the secret ones hidden."""
        hidden = self.secret_fields
        return [
            (name, _HIDDEN if name in hidden and getattr(self, name) else getattr(self, name))
            for name in self.__struct_fields__
        ]


class UnknownVariant(Model):
    """A variant of a union that this version does not know.

    Attributes:
        tag: What the service calls it, or None when it does not say.
        raw: The whole of it, as decoded JSON.
    """

    tag: str | None = None
    raw: Any = None
