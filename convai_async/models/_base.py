"""What every model is built on: tolerance of null, of unknown union tags, and one way to decode.

The rules of the fields:

- The id that names a document is required. Everything else has a default, which missing and null read as.
- Text, numbers and objects that may be absent are None by default. A boolean is False, a collection empty, a
  count 0, and an object that the contract promises is an empty one of its kind, so that
  ``conversation.metadata.cost`` never fails on the way.
- Numbers of the right value in the other form (``1.0`` for 1) are accepted, unknown fields ignored, unknown
  enum values kept.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import msgspec

from convai_async.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_HIDDEN = "***"


class _NullReadsAsDefault(msgspec.StructMeta):
    """Lets every field with a default accept null, and puts the default in its place.

    A class body says ``turns: list[Turn] = field(default_factory=list)``; to msgspec it is
    ``list[Turn] | None``, with a ``__post_init__`` that replaces None.
    """

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> _NullReadsAsDefault:
        annotations = namespace.get("__annotations__", {})
        defaults = {
            field: namespace[field]
            for field, annotation in annotations.items()
            if not annotation.startswith("ClassVar") and namespace.get(field) is not None
        }
        for field in defaults:
            annotations[field] += " | None"
        inherited = {field: default for base in bases for field, default in getattr(base, "_defaults", {}).items()}
        namespace["_defaults"] = defaults = inherited | defaults
        if defaults:
            namespace["__post_init__"] = _null_replacer(defaults, namespace.get("__post_init__"))
        return super().__new__(cls, name, bases, namespace, **options)


def _null_replacer(defaults: dict[str, Any], then: Callable[[Any], None] | None) -> Callable[[Any], None]:
    # Written out for each class, as dataclasses do: a loop over names would double the cost of decoding.
    lines = ["def __post_init__(self):"]
    values: dict[str, Any] = {}
    for field, default in defaults.items():
        factory = getattr(default, "default_factory", msgspec.NODEFAULT)
        values[field] = default if factory is msgspec.NODEFAULT else factory
        call = "" if factory is msgspec.NODEFAULT else "()"
        lines += [f"    if self.{field} is None:", f"        self.{field} = values[{field!r}]{call}"]
    if then is not None:
        lines.append("    then(self)")
    namespace: dict[str, Any] = {"values": values, "then": then}
    exec("\n".join(lines), namespace)  # noqa: S102 - names and values of our own classes
    replacer: Callable[[Any], None] = namespace["__post_init__"]
    return replacer


class Model(msgspec.Struct, metaclass=_NullReadsAsDefault, kw_only=True, gc=False):
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
        return decoder(cls)(document.encode() if isinstance(document, str) else document)

    def to_builtins(self) -> Any:
        """Return the same as dicts, lists, strings and numbers."""
        return msgspec.to_builtins(self)

    def to_json(self) -> bytes:
        """Return the same as JSON; `from_json` reads it back."""
        return msgspec.json.encode(self)

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


class OpenUnion(abc.ABC):
    """A union of models, told apart by a tag, that new tags do not break.

    Its variants are virtual subclasses, so ``isinstance(result, ToolResult)`` works.
    """

    tag: ClassVar[str]
    variants: ClassVar[Mapping[str | None, type[Model]]]
    unknown: ClassVar[type[UnknownVariant]]

    @classmethod
    def read(cls, value: Any) -> Model:
        """Make the variant that the tag names, or the unknown one.

        Raises:
            TypeError: It does not fit. msgspec adds the path to a TypeError, but not to its own exception.
        """
        tag = value.get(cls.tag) if type(value) is dict else _NO_OBJECT
        if tag is None and value.keys() == _UNKNOWN_FIELDS:
            return cls.unknown(**value)  # one that was encoded before
        variant = cls.variants.get(tag) if tag is None or type(tag) is str else None
        if variant is None:
            return cls.unknown(tag=tag if type(tag) is str else None, raw=value)
        try:
            return msgspec.convert(value, variant, strict=False, dec_hook=_read_open_union)
        except msgspec.ValidationError as error:
            raise TypeError(str(error)) from None


_NO_OBJECT = object()
_UNKNOWN_FIELDS = frozenset(UnknownVariant.__struct_fields__)


def _read_open_union(union: type[OpenUnion], value: Any) -> Model:
    return union.read(value)


def open_union(
    name: str, *, tag: str, variants: Mapping[str | None, type[Model]], unknown: type[UnknownVariant]
) -> type[OpenUnion]:
    """Return the union of these models.

    Args:
        name: What to call it.
        tag: The field whose value tells the variants apart.
        variants: The models, by that value; None stands for a tag that is null or missing.
        unknown: What to make of anything else.
    """
    members = {"tag": tag, "variants": variants, "unknown": unknown}
    union = cast("type[OpenUnion]", abc.ABCMeta(name, (OpenUnion,), members))
    for variant in (*variants.values(), unknown):
        union.register(variant)
    return union


_decoders: dict[type, Callable[[bytes], Any]] = {}


def decoder(model: type[T]) -> Callable[[bytes], T]:
    """Return the function that decodes a model from JSON; there is one for each model.

    It raises `DecodeError`, with the path of the misfit and the bytes, and nothing else.
    """
    decode: Callable[[bytes], T] | None = _decoders.get(model)
    if decode is None:
        decode = _decoders[model] = _new_decoder(model)
    return decode


def _new_decoder(model: type[T]) -> Callable[[bytes], T]:
    decode_json = msgspec.json.Decoder(model, strict=False, dec_hook=_read_open_union).decode

    def decode(body: bytes) -> T:
        try:
            return decode_json(body)
        except (ValueError, TypeError, RecursionError) as error:  # msgspec's own, bad UTF-8, too deep
            raise DecodeError.from_message(str(error), body) from None

    return decode
