"""Statements that write many rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convai_async.archive._int64 import int64_or_none

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

_SIZES = (1, 8, 32, 128, 256, 512)
"""The numbers of rows that a statement can insert: few, so that sqlite3 keeps all of them parsed."""

_NULL = math.nan
"""SQLite stores NaN as null. To bind it takes a sixth of the time of None, and half of all values are null."""


def insert_rows(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], lists: Iterable[Sequence[Any]]
) -> None:
    """Insert rows; integers that SQLite cannot hold become null.

    Inserts many rows with one statement, because this thread can wait for others after each statement.

    Args:
        connection: The connection.
        table: The table.
        columns: The columns that the rows have values for.
        lists: Lists of values; each has the values of whole rows, one after the other.
    """
    values = [_NULL if value is None else value for values in lists for value in values]
    width = len(columns)
    for first in range(0, len(values), _SIZES[-1] * width):
        some = values[first : first + _SIZES[-1] * width]
        count = len(some) // width
        size = next(size for size in _SIZES if size >= count)
        some += [_NULL] * ((size - count) * width)
        _execute(connection, _build_insert(table, columns, size), [*some, count])


def upsert_rows(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]
) -> None:
    """Insert rows, or update the columns of those whose keys exist; integers that SQLite cannot hold become null."""
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
    # An upsert, since REPLACE would delete the old row, and by the foreign keys its recording.
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        f" ON CONFLICT DO UPDATE SET {updates}"
    )
    execute_many(connection, statement, rows)


def execute_many(connection: sqlite3.Connection, statement: str, rows: Iterable[Iterable[Any]]) -> None:
    """Execute a statement with each row; integers that SQLite cannot hold become null."""
    bound = [[_NULL if value is None else value for value in row] for row in rows]
    try:
        connection.executemany(statement, bound)
    except OverflowError:
        connection.executemany(statement, [list(map(int64_or_none, row)) for row in bound])


def _execute(connection: sqlite3.Connection, statement: str, values: list[Any]) -> None:
    try:
        connection.execute(statement, values)
    except OverflowError:
        connection.execute(statement, list(map(int64_or_none, values)))


def _build_insert(table: str, columns: Sequence[str], size: int) -> str:
    rows = ", ".join([f"({', '.join('?' * len(columns))})"] * size)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM (VALUES {rows}) LIMIT ?"  # noqa: S608
