"""Normalize documents that deviate from the specification without losing information.

This takes several times as long as decoding, so only documents that cannot be decoded are normalized.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from convai_async._support.lenient_json import REPLACEMENT
from convai_async._support.validate import INT64_MAX
from convai_async.models._open_union import OpenUnion, open_unions

Normalizer = Callable[[Any], Any]

_NORMALIZED_TYPES = (dict, list, float)
"""The types of values that a normalizer can change."""


def normalize(value: Any, annotation: Any) -> Any:
    """Return normalized JSON. The value may be changed in place.

    - A null field whose default is not None, and a null value of a map, are left out. A null required list becomes
      empty.
    - The fraction of an integer is dropped. An object or list instead of text becomes JSON text, and an object instead
      of an enum value becomes null.
    - The format of an older version of the service is converted by the model's ``upgrade``.
    - An id with bytes that are not UTF-8 is left out, so that decoding fails.

    Any other invalid value is returned unchanged.

    Args:
        value: The decoded JSON.
        annotation: The expected type: a model, an open union, or a type that contains them.
    """
    normalizer = build_normalizer(annotation)
    return value if normalizer is None else normalizer(value)


def build_normalizer(annotation: Any) -> Normalizer | None:
    """Return the function that normalizes values of a type, or None if no value of it needs to be normalized."""
    if annotation in _SCALAR_NORMALIZERS:
        return _SCALAR_NORMALIZERS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        annotation = annotation.__metadata__[0]
    if annotation in open_unions:
        return _build_for_union(open_unions[annotation])
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _build_for_struct(annotation)
    if origin in _COLLECTION_BUILDERS:
        return _COLLECTION_BUILDERS[origin](*arguments)
    if any(get_origin(argument) is Literal for argument in arguments):
        return _drop_object
    inner = [normalizer for argument in arguments if (normalizer := build_normalizer(argument)) is not None]
    return _chain(*inner) if inner else None


def _is_nullable(annotation: Any) -> bool:
    return annotation is Any or type(None) in get_args(annotation)


def _drop_fraction(value: Any) -> Any:
    return int(value) if isinstance(value, float) and abs(value) <= INT64_MAX else value


def _drop_object(value: Any) -> Any:
    return None if isinstance(value, dict) else value


def _encode_as_text(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


_SCALAR_NORMALIZERS: dict[Any, Normalizer] = {int: _drop_fraction, str: _encode_as_text}


def _build_for_tuple(item: Any, *_: Any) -> Normalizer | None:
    normalizer = build_normalizer(item)
    if normalizer is None:
        return None
    return lambda value: [normalizer(item) for item in value] if isinstance(value, list) else value


def _build_for_dict(_: Any, item: Any) -> Normalizer | None:
    normalizer, nullable = build_normalizer(item), _is_nullable(item)
    if normalizer is None and nullable:
        return None
    inner = normalizer or _return_unchanged

    def normalize_dict(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: inner(item) for name, item in value.items() if nullable or item is not None}

    return normalize_dict


_COLLECTION_BUILDERS: dict[Any, Callable[..., Normalizer | None]] = {tuple: _build_for_tuple, dict: _build_for_dict}


def _chain(*members: Normalizer) -> Normalizer:
    def normalizer(value: Any) -> Any:
        for member in members:
            value = member(value)
        return value

    return normalizer


def _build_for_union(union: OpenUnion[Any]) -> Normalizer:
    def normalizer(value: Any) -> Any:
        variant: Any = union.find_variant(value)
        return value if variant is None else _build_for_struct(variant)(value)

    return normalizer


@cache
def _build_for_struct(model: type[msgspec.Struct]) -> Normalizer:
    upgrade: Normalizer = getattr(model, "upgrade", _return_unchanged)
    hints = get_type_hints(model, include_extras=True)
    fields = msgspec.structs.fields(model)
    never_null = [field.encode_name for field in fields if not field.required and field.default is not None]
    required = [field for field in fields if field.required]
    required_lists = [field.encode_name for field in required if get_origin(hints[field.name]) is tuple]
    ids = [field.encode_name for field in required if hints[field.name] is str]
    others = [field for field in fields if field.encode_name not in ids]
    normalizers = {field.encode_name: build_normalizer(hints[field.name]) or _return_unchanged for field in others}

    def normalizer(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = upgrade(value)
        for name in never_null:
            if value.get(name, name) is None:
                del value[name]
        _fix_required(value, required_lists, ids)
        for name, item in value.items():
            if type(item) in _NORMALIZED_TYPES and name in normalizers:
                value[name] = normalizers[name](item)
        return value

    return normalizer


def _fix_required(value: dict[str, Any], lists: list[str], ids: list[str]) -> None:
    for name in lists:
        if value.get(name, name) is None:
            value[name] = []
    for name in ids:
        if REPLACEMENT in str(value.get(name)):
            del value[name]


def _return_unchanged(value: Any) -> Any:
    return value
