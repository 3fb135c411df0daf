"""The part of ``sqlite3.Connection`` that archives use; PostgreSQL has an adapter with the same methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


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


class Connection(Protocol):
    """A connection to the database of an archive.

    SQL has the syntax that SQLite and PostgreSQL share, with ``?`` or ``:name`` for parameters.
    """

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> Cursor:
        """Execute a statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Execute a statement for each of several rows of parameters."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self) -> None:
        """Roll the transaction back."""

    def close(self) -> None:
        """Close the connection."""
