"""Documents that differ from the contract in ways that say nothing: brought into its form.

That costs several times what decoding does, so it is done with a document that does not decode as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from convai_async._support.lenient_json import REPLACEMENT
from convai_async.models._open_union import OpenUnion, open_unions

Straighten = Callable[[Any], Any]

_INT64 = 2**63
_CAN_BE_ODD = (dict, list, float)
"""The types of values that a straightener may change."""


def normalized(value: Any, annotation: Any) -> Any:
    """Return decoded JSON without its quirks; the value itself may change.

    - Null in a field that has another default is left out, as is null as a value of a map; null in the place of a
      required list is an empty one.
    - An integer's fraction is cut off. An object or list in the place of text becomes JSON text,
      an object in the place of an enum's value is left out.
    - What an older version of the service wrote takes today's shape, by the model's ``upgrade``.
    - A required text, which is an id, is left out when a part of it could not be decoded.

    What is not what the annotation says comes back as it is.

    Args:
        value: The decoded JSON.
        annotation: What it should be: a model, an open union, or a type made of them.
    """
    straighten = _build_normalizer(annotation)
    return value if straighten is None else straighten(value)


def _build_normalizer(annotation: Any) -> Straighten | None:
    """Return what straightens, or None where nothing can be odd."""
    if annotation in _OF_SCALARS:
        return _OF_SCALARS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        annotation = annotation.__metadata__[0]
    if annotation in open_unions:
        return _of_union(open_unions[annotation])
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _of_struct(annotation)
    if origin in _OF_COLLECTIONS:
        return _OF_COLLECTIONS[origin](*arguments)
    if any(get_origin(argument) is Literal for argument in arguments):
        return _as_enum
    inner = [straighten for argument in arguments if (straighten := _build_normalizer(argument)) is not None]
    return _of_any(*inner) if inner else None


def _takes_null(annotation: Any) -> bool:
    return annotation is Any or type(None) in get_args(annotation)


def _without_fraction(value: Any) -> Any:
    return int(value) if isinstance(value, float) and abs(value) < _INT64 else value


def _as_enum(value: Any) -> Any:
    return None if isinstance(value, dict) else value


def _as_text(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


_OF_SCALARS: dict[Any, Straighten] = {int: _without_fraction, str: _as_text}


def _of_tuple(item: Any, *_: Any) -> Straighten | None:
    straighten = _build_normalizer(item)
    if straighten is None:
        return None
    return lambda value: [straighten(item) for item in value] if isinstance(value, list) else value


def _of_dict(_: Any, item: Any) -> Straighten | None:
    straighten, nullable = _build_normalizer(item), _takes_null(item)
    if straighten is None and nullable:
        return None
    inner = straighten or _as_it_is

    def straighten_dict(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: inner(item) for name, item in value.items() if nullable or item is not None}

    return straighten_dict


_OF_COLLECTIONS: dict[Any, Callable[..., Straighten | None]] = {tuple: _of_tuple, dict: _of_dict}


def _of_any(*members: Straighten) -> Straighten:
    def straighten(value: Any) -> Any:
        for member in members:
            value = member(value)
        return value

    return straighten


def _of_union(union: OpenUnion[Any]) -> Straighten:
    def straighten(value: Any) -> Any:
        variant: Any = union.variant_of(value)
        return value if variant is None else _of_struct(variant)(value)

    return straighten


@cache
def _of_struct(model: type[msgspec.Struct]) -> Straighten:
    upgrade: Straighten = getattr(model, "upgrade", _as_it_is)
    hints = get_type_hints(model, include_extras=True)
    fields = msgspec.structs.fields(model)
    never_null = [field.encode_name for field in fields if not field.required and field.default is not None]
    required = [field for field in fields if field.required]
    required_lists = [field.encode_name for field in required if get_origin(hints[field.name]) is tuple]
    ids = [field.encode_name for field in required if hints[field.name] is str]
    others = [field for field in fields if field.encode_name not in ids]
    straighteners = {field.encode_name: _build_normalizer(hints[field.name]) or _as_it_is for field in others}

    def straighten(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = upgrade(value)
        for name in never_null:
            if value.get(name, name) is None:
                del value[name]
        _fix_required(value, required_lists, ids)
        for name, item in value.items():
            if type(item) in _CAN_BE_ODD and name in straighteners:
                value[name] = straighteners[name](item)
        return value

    return straighten


def _fix_required(value: dict[str, Any], lists: list[str], ids: list[str]) -> None:
    for name in lists:
        if value.get(name, name) is None:
            value[name] = []
    for name in ids:
        if REPLACEMENT in str(value.get(name)):
            del value[name]


def _as_it_is(value: Any) -> Any:
    return value
