"""The archive's SQL schema, and the marks that tell an archive from another file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive._schema._tables import TABLES
from convai_async.archive._schema._views import VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.archive._schema._table import Column, Table

APPLICATION_ID = 0x43564149
"""Marks an SQLite file as ours, in its header (``PRAGMA application_id``): "CVAI" in ASCII."""


def build_schema() -> str:
    """Return the SQL that makes all tables; each statement ends at the end of a line."""
    tables = (statement for table in TABLES for statement in (_create(table), *table.statements))
    return "\n".join([*tables, build_views()])


def build_views() -> str:
    """Return the SQL that makes all views, in place of those that an older version made."""
    return "\n".join(
        f"DROP VIEW IF EXISTS {view.name};\nCREATE VIEW {view.name} AS  -- {view.description}\n{view.query};"
        for view in VIEWS
    )


def _create(table: Table) -> str:
    if table.module:
        return f"CREATE VIRTUAL TABLE {table.name} USING {table.module};"
    lines = "\n".join(f"    {line}" for line in _build_lines(table))
    return f"CREATE TABLE {table.name} (  -- {table.description}\n{lines}\n){table.options and f' {table.options}'};"


def _build_lines(table: Table) -> Iterator[str]:
    definitions: list[tuple[str, Column | None]] = [(f"{each.name} {each.sql_type}", each) for each in table.columns]
    definitions += [(constraint, None) for constraint in table.constraints]
    for number, (definition, column) in enumerate(definitions, 1):
        comma = "," if number < len(definitions) else ""
        yield f"{definition}{comma}" if column is None else f"{definition}{comma}  -- {column.description}"
