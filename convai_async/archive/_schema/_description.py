"""Describe the tables and views of an archive."""

from __future__ import annotations

import msgspec

from convai_async.archive._schema._tables import TABLES
from convai_async.archive._schema._views import VIEWS


class ColumnDescription(msgspec.Struct, frozen=True):
    """A column.

    Attributes:
        name: Its name.
        type: Its type in SQL, with constraints; empty in a view.
        description: Its meaning.
    """

    name: str
    type: str
    description: str


class TableDescription(msgspec.Struct, frozen=True):
    """A table or view.

    Attributes:
        name: Its name.
        description: The meaning of a row.
        columns: Its columns; empty for a view that computes them.
        query: The query of a view, in SQL; empty for a table.
    """

    name: str
    description: str
    columns: tuple[ColumnDescription, ...] = ()
    query: str = ""


def describe_tables() -> list[TableDescription]:
    """Return the views and then the tables that an archive of this version has."""
    views = [TableDescription(view.name, view.description, query=view.query) for view in VIEWS]
    tables = [
        TableDescription(
            table.name,
            table.description,
            tuple(ColumnDescription(each.name, each.sql_type, each.description) for each in table.columns),
        )
        for table in TABLES
    ]
    return views + tables
