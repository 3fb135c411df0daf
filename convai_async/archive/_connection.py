"""The part of ``sqlite3.Connection`` that archives use; PostgreSQL has an adapter with the same methods."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROWS_PER_FETCH = 1_000
"""For rows without documents: a few megabytes, and few round trips."""
DOCUMENTS_PER_FETCH = 200


class Cursor(Protocol):
    """The result of a statement; its rows are tuples."""

    @property
    def rowcount(self) -> int:
        """The number of rows that were changed."""

    @property
    def description(self) -> Any:
        """A sequence for each column, which begins with its name."""

    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""


class SqliteConnection(sqlite3.Connection):
    """A connection to SQLite with all methods of `Connection`."""

    def iterate(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        /,
        *,
        rows_per_fetch: int = ROWS_PER_FETCH,  # noqa: ARG002 - SQLite reads row by row
    ) -> Iterator[Any]:
        """Yield the rows of a query without holding all of them in memory."""
        return self.execute(sql, parameters)


class Connection(Protocol):
    """A connection to the database of an archive.

    SQL has the syntax that SQLite and PostgreSQL share, with ``?`` or ``:name`` for parameters.
    """

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun."""

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> Cursor:
        """Execute a statement."""

    def iterate(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        /,
        *,
        rows_per_fetch: int = ROWS_PER_FETCH,
    ) -> Iterator[Any]:
        """Yield the rows of a query without holding all of them in memory.

        Args:
            sql: The query.
            parameters: Its parameters.
            rows_per_fetch: How many rows are read at once from a database on another machine.
        """

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Execute a statement for each of several rows of parameters."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self) -> None:
        """Roll the transaction back."""

    def interrupt(self) -> None:
        """End the statement that runs in another thread with an error."""

    def close(self) -> None:
        """Close the connection."""
