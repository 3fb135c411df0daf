"""An SQLite file that is open for writing."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from convai_async.archive._errors import ArchiveBusyError
from convai_async.archive._sql import check_document, fetch_value, transaction
from convai_async.archive._sqlite._changes import store_conversations
from convai_async.archive._sqlite._database import FileIdentity, check_in_place, open_for_writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from convai_async.archive._records import ConversationUpdate


class SqliteStore:
    """An SQLite file that is open for writing; the methods are those of `Store`."""

    def __init__(self, path: Path, source: str | None, *, create: bool, exclusive: bool) -> None:
        self.path, self.connection, self._lock = open_for_writing(path, source, create=create, exclusive=exclusive)
        self._identity = FileIdentity.read(self.path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store`."""
        self.check_in_place()
        with transaction(self.connection):
            yield

    def check_in_place(self) -> None:
        """See `Store`: the file must still have its name."""
        check_in_place(self.path, self._identity, self.connection)

    def store_conversations(self, updates: Sequence[ConversationUpdate], now: int) -> list[str]:
        """See `Store`."""
        return store_conversations(self.connection, updates, now)

    def decode_document(self, stored: Any) -> bytes:
        """See `Store`."""
        return check_document(stored)

    def read_clock(self) -> int:
        """See `Store`."""
        return int(time.time())

    def scrub(self) -> None:
        """See `Store`: the search index keeps removed text until its parts are merged, and the log as well.

        Free pages are overwritten already, by ``secure_delete``.
        """
        self.connection.execute("INSERT INTO turns_search (turns_search) VALUES ('optimize')")
        if fetch_value(self.connection, "PRAGMA wal_checkpoint (TRUNCATE)"):
            raise ArchiveBusyError(
                f"the conversations are removed from {str(self.path)!r}, but their bytes are still in its log,"
                " as another program is reading it: close that, and run the same command again"
            )

    def close(self) -> None:
        """See `Store`."""
        self.connection.close()
        if self._lock is not None:
            self._lock.close()
