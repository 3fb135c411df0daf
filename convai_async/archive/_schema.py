"""The archive's SQL schema, and the marks that tell an archive from another file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive._columns import TABLES
from convai_async.archive._migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.archive._columns import Column, Table

APPLICATION_ID = 0x43564149
"""Marks a SQLite file as ours, in its header (``PRAGMA application_id``): "CVAI" in ASCII."""

SCHEMA_VERSION = max(MIGRATIONS) + 1
"""The version of the schema (``PRAGMA user_version``)."""


def build_schema() -> str:
    """Return the SQL that makes all tables; each statement ends at the end of a line."""
    return "\n".join(statement for table in TABLES for statement in (_create(table), *table.statements))


def _create(table: Table) -> str:
    if table.module:
        return f"CREATE VIRTUAL TABLE {table.name} USING {table.module};"
    lines = "\n".join(f"    {line}" for line in _lines(table))
    return f"CREATE TABLE {table.name} (  -- {table.description}\n{lines}\n);"


def _lines(table: Table) -> Iterator[str]:
    definitions: list[tuple[str, Column | None]] = [(f"{each.name} {each.sql_type}", each) for each in table.columns]
    definitions += [(constraint, None) for constraint in table.constraints]
    for number, (definition, column) in enumerate(definitions, 1):
        comma = "," if number < len(definitions) else ""
        yield f"{definition}{comma}" if column is None else f"{definition}{comma}  -- {column.description}"
