"""The description of a table and its columns, from which the schema, the rows and the exports are derived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

ArrowType: TypeAlias = Literal["string", "int64", "float64", "bool", "timestamp", "date"]
"""The names of the Arrow types that exported columns have; a timestamp is Unix seconds in SQLite."""


class Column(msgspec.Struct, frozen=True):
    """A column.

    Attributes:
        name: The name.
        sql_type: The type in SQLite, with constraints.
        description: The meaning, for people who query the archive.
        arrow: The type in exported files; None for columns that CSV and Parquet files do not have.
        read: The attribute of a conversation, a turn or a `ToolUse` that has the value, or a function that returns it;
            None if it does not come from there.
        read_summary: The same for the conversation's entry in the list.
        prefer_summary: Whether to use the entry in the list if both have a value.
        since: The version of the schema that added it; an upgrade reads its values from ``raw``.
    """

    name: str
    sql_type: str
    description: str
    arrow: ArrowType | None = None
    read: str | Callable[[Any], Any] | None = None
    read_summary: str | Callable[[Any], Any] | None = None
    prefer_summary: bool = False
    since: int = 1

    @property
    def exported_name(self) -> str:
        """Its name in exported files, where a timestamp is not Unix seconds."""
        if self.arrow != "timestamp":
            return self.name
        return f"{self.name.removesuffix('_unix_secs').removesuffix('_time')}_time"


class Table(msgspec.Struct, frozen=True):
    """A table.

    Attributes:
        name: The name.
        description: The meaning of a row.
        columns: The columns, in order.
        constraints: Constraints on several columns, in SQL.
        options: Options after the columns, in SQL.
        module: For a virtual table, its module and arguments, in SQL.
        statements: Indexes and triggers, in SQL.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    constraints: tuple[str, ...] = ()
    options: str = ""
    module: str = ""
    statements: tuple[str, ...] = ()

    @property
    def exported(self) -> tuple[Column, ...]:
        """The columns that CSV and Parquet files have."""
        return tuple(column for column in self.columns if column.arrow is not None)


CONVERSATION_ID = Column(
    "conversation_id",
    "TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE",
    "The conversation that it belongs to.",
    "string",
)
"""The first column of the tables whose rows belong to a conversation."""
