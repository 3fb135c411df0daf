"""The database of an archive that is open for writing: SQLite or PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from convai_async.archive._location import PostgresUrl, parse_location
from convai_async.archive._sqlite._store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from convai_async.archive._location import ArchivePath
    from convai_async.archive._records import ConversationUpdate


class Store(Protocol):
    """The operations of `ArchiveWriter` that differ between SQLite and PostgreSQL. Used by one thread at a time.

    Attributes:
        path: The file, or the URL of the database.
        connection: The connection to it.
    """

    path: Any
    connection: Any

    def transaction(self) -> AbstractContextManager[None]:
        """Write in one transaction, which begins when those of others have ended.

        Raises:
            ArchiveError: This process may not write any more: the file was replaced, or another process took over.
        """

    def check_in_place(self) -> None:
        """Check that the archive is still where others open it.

        Raises:
            ArchiveError: It is not.
        """

    def store_conversations(self, updates: Sequence[ConversationUpdate], now: int) -> list[str]:
        """Store conversations with their details, in place of those of the same ids, in the present transaction.

        Args:
            updates: The conversations; their rows have the same columns.
            now: The time of those that were fetched now, in Unix seconds.

        Returns:
            The ids of those that were stored with another document; if no step is known, they can be left out.
        """

    def decode_document(self, stored: Any) -> bytes:
        """Return a document, given the value of its column."""

    def read_clock(self) -> int:
        """Return the current time in Unix seconds, by the clock that all who use the archive share."""

    def scrub(self) -> None:
        """Erase the bytes of deleted rows, as far as the database can. Called outside a transaction.

        Raises:
            ArchiveBusyError: Another process prevents it at the moment.
        """

    def close(self) -> None:
        """Close the connection, and let others write."""


def open_store(path: ArchivePath | PostgresUrl, source: str | None, *, create: bool, exclusive: bool) -> Store:
    """Open an archive for writing, and bring it up to this version.

    Args:
        path: The file, or the URL of a database.
        source: The address of the service that the conversations are from; None accepts any, for one that exists.
        create: Whether to create it if it does not exist.
        exclusive: Whether to lock out others that open it as exclusive.

    Raises:
        ArchiveBusyError: Another process has the lock, or the transactions of others did not end within 30 s.
        ArchiveError: It is not a convai archive, belongs to another service, has a newer version, or cannot be written.
    """
    location = parse_location(path)
    if isinstance(location, PostgresUrl):
        from convai_async.archive._postgres import PostgresStore  # noqa: PLC0415 - only with the extra

        return PostgresStore(location, source, create=create, exclusive=exclusive)
    return SqliteStore(location, source, create=create, exclusive=exclusive)
