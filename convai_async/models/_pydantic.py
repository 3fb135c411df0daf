"""Support for pydantic and FastAPI: models are validated by their own decoders, and described in JSON schemas.

pydantic is not a dependency: this module is imported when pydantic asks a model for its schema.
"""

from __future__ import annotations

import inspect
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic_core import SchemaSerializer, core_schema

from convai_async.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

_SCALARS: dict[Any, Callable[[], CoreSchema]] = {
    str: core_schema.str_schema,
    bytes: core_schema.str_schema,  # base64 in JSON
    int: core_schema.int_schema,
    float: core_schema.float_schema,
    bool: core_schema.bool_schema,
    NoneType: core_schema.none_schema,
}


def build_pydantic_schema(model: type[Any]) -> CoreSchema:
    """Return the pydantic schema of a model, with the definitions of all nested models."""
    definitions: dict[str, CoreSchema] = {}
    reference = _build_model_schema(model, definitions)
    return core_schema.definitions_schema(reference, list(definitions.values()))


@cache
def build_serializer(model: type[Any]) -> SchemaSerializer:
    """Return the serializer that pydantic uses for its own models, for this one."""
    return SchemaSerializer(core_schema.any_schema(serialization=_as_builtins(model)))


def _as_builtins(model: type[Any]) -> core_schema.SerSchema:
    return core_schema.plain_serializer_function_ser_schema(model.to_builtins)


def _build_model_schema(model: type[Any], definitions: dict[str, CoreSchema]) -> CoreSchema:
    name = f"{model.__module__}.{model.__qualname__}:{id(model)}"
    reference = core_schema.definition_reference_schema(name)
    if name not in definitions:
        definitions[name] = reference  # for recursive models
        hints = get_type_hints(model, include_extras=True)
        fields = {
            field.encode_name: core_schema.typed_dict_field(
                _build_hint_schema(hints[field.name], definitions), required=field.required
            )
            for field in msgspec.structs.fields(model)
        }
        definitions[name] = core_schema.no_info_wrap_validator_function(
            _build_validator(model),
            core_schema.typed_dict_schema(fields),  # for the JSON schema only
            ref=name,
            serialization=_as_builtins(model),
            metadata={"pydantic_js_functions": [_build_describer(model)]},
        )
    return reference


def _build_hint_schema(hint: Any, definitions: dict[str, CoreSchema]) -> CoreSchema:
    origin, arguments = get_origin(hint), get_args(hint)
    schema: CoreSchema = core_schema.any_schema()
    if hint in _SCALARS:
        schema = _SCALARS[hint]()
    elif origin is Annotated:  # a member of an open union, or null
        schema = core_schema.nullable_schema(_build_hint_schema(hint.__metadata__[0], definitions))
    elif origin is Literal:
        schema = core_schema.literal_schema(list(arguments))
    elif origin in {Union, UnionType}:
        schema = core_schema.union_schema([_build_hint_schema(argument, definitions) for argument in arguments])
    elif origin is tuple:
        schema = core_schema.list_schema(_build_hint_schema(arguments[0], definitions))
    elif origin is dict:
        schema = core_schema.dict_schema(core_schema.str_schema(), _build_hint_schema(arguments[1], definitions))
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        schema = _build_model_schema(hint, definitions)
    return schema


def _build_validator(model: type[Any]) -> Callable[[Any, Any], Any]:
    def validate(value: Any, _: Any) -> Any:
        if isinstance(value, model):
            return value
        try:
            return model.from_json(msgspec.json.encode(value))
        except DecodeError as error:  # pydantic handles ValueError only
            raise ValueError(f"{error.problem} - at `{error.path}`") from None
        except TypeError as error:
            raise ValueError(str(error)) from None

    return validate


def _build_describer(model: type[Any]) -> Callable[[Any, GetJsonSchemaHandler], dict[str, Any]]:
    def describe(schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        description = inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0]
        return {**handler(schema["schema"]), "title": model.__name__, "description": description}

    return describe
