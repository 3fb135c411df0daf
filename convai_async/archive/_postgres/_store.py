"""A workspace in PostgreSQL that is open for writing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from convai_async.archive._postgres._changes import decompress, store_conversations
from convai_async.archive._postgres._database import begin, open_for_writing
from convai_async.archive._postgres._lease import Lease
from convai_async.archive._schema._tables import CONVERSATION_TABLES
from convai_async.archive._sql import close_on_error, fetch_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from convai_async.archive._location import PostgresUrl
    from convai_async.archive._records import ConversationUpdate

_VACUUMED = ", ".join(f"convai.{name}" for name in ("conversations", *CONVERSATION_TABLES))


class PostgresStore:
    """A workspace in PostgreSQL that is open for writing; the methods are those of `Store`."""

    def __init__(self, url: PostgresUrl, source: str | None, *, create: bool, exclusive: bool) -> None:
        self.path = url
        self.connection = open_for_writing(url, source, create=create)
        self._lease: Lease | None = None
        if exclusive:
            with close_on_error(self.connection):
                self._lease = Lease(url, self.connection.raw.info.backend_pid)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store`."""
        begin(self.connection)
        try:
            if self._lease is not None:
                self._lease.check(self.connection)
            yield
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise

    def check_in_place(self) -> None:
        """See `Store`: a database stays where it is."""

    def store_conversations(self, updates: Sequence[ConversationUpdate], now: int) -> list[str]:
        """See `Store`."""
        return store_conversations(self.connection, updates, now)

    def decode_document(self, stored: Any) -> bytes:
        """See `Store`."""
        return decompress(stored)

    def read_clock(self) -> int:
        """See `Store`."""
        return int(fetch_value(self.connection, "SELECT floor(extract(epoch FROM clock_timestamp()))"))

    def scrub(self) -> None:
        """See `Store`: old versions of rows stay until a vacuum; in the log and in backups, they stay longer."""
        self.connection.execute(f"VACUUM {_VACUUMED}")

    def close(self) -> None:
        """See `Store`."""
        self.connection.close()
        if self._lease is not None:
            self._lease.release()
