"""Generates documents from the schemas of the OpenAPI document, to test the models."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

Schema = dict[str, Any]

CONTRACT: Schema = msgspec.json.decode((Path(__file__).parents[1] / "data/openapi.json").read_bytes())
SCHEMAS: dict[str, Schema] = CONTRACT["components"]["schemas"]

_DEEPEST = 14


def resolve(schema: Schema) -> tuple[str, Schema]:
    """Resolve a reference to the name and the schema; the name of an inline schema is empty."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return name, SCHEMAS[name]
    return "", schema


def branches(schema: Schema) -> list[Schema]:
    """Return the schemas of a ``oneOf`` without null."""
    return [branch for branch in schema.get("oneOf", ()) if branch.get("type") != "null"]


def types_of(schema: Schema) -> list[str]:
    """Return the JSON types of a schema without null."""
    types = schema.get("type", [])
    return [kind for kind in ([types] if isinstance(types, str) else types) if kind != "null"]


class Maker:
    """Generates documents of schemas.

    Args:
        seed: The seed for branches of unions and for values.
        optional: The fraction of the optional fields to include.
        edit: Called with the schema and each generated object, which it can change.
    """

    def __init__(
        self, seed: int = 0, *, optional: float = 1.0, edit: Callable[[Schema, dict[str, Any]], None] | None = None
    ) -> None:
        self.random = random.Random(seed)
        self.optional = optional
        self.edit = edit

    def make(self, schema: Schema, depth: int = 0) -> Any:  # noqa: PLR0911 - one return for each kind of schema
        """Generate a document of this schema."""
        _, schema = resolve(schema)
        if "oneOf" in schema:
            return self.make(self.random.choice(branches(schema)), depth)
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        kinds = types_of(schema)
        match kinds[0] if kinds else None:
            case "object":
                return self._object(schema, depth)
            case "array":
                return [self.make(schema["items"], depth + 1) for _ in range(0 if depth > _DEEPEST else 2)]
            case "integer":
                return self.random.choice((0, 1, 1_780_000_000))
            case "number":
                return self.random.choice((0, 1, 0.25))
            case "boolean":
                return self.random.choice((True, False))
            case "string":
                return self.random.choice(("", "text", "ünï ☎"))
            case _:
                return self.random.choice((None, 1, "any", [1], {"a": None}))

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        made = {
            name: self.make(field, depth + 1)
            for name, field in schema.get("properties", {}).items()
            if name in required or self.random.random() < self.optional
        }
        if isinstance(schema.get("additionalProperties"), dict) and depth < _DEEPEST:
            made |= {f"key_{n}": self.make(schema["additionalProperties"], depth + 1) for n in range(2)}
        if self.edit is not None:
            self.edit(schema, made)
        return made
