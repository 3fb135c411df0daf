"""Read an archive in a separate thread."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from convai_async.archive import Archive, ArchiveError, PostgresUrl
from convai_async.browse._search import CREATE_TEMPORARY_INDEX
from convai_async.errors import ConvAIError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from convai_async.archive import ArchivePath


T = TypeVar("T")

_BUSY_TIMEOUT_SECS = 5.0


class ArchiveConnection:
    """Runs queries on an archive in one thread, each in a transaction, so that its results belong together.

    Args:
        archive: The archive, which stays open: the last connection to a file that is closed removes SQLite's log beside
            it, and one that is read-only cannot.

    Attributes:
        path: The archive's file.
    """

    def __init__(self, archive: Archive) -> None:
        if isinstance(archive.path, PostgresUrl):
            raise ArchiveError(f"{str(archive.path)!r} cannot be browsed: choose an SQLite file")
        self.path = archive.path
        self._file = _identify(archive.path)
        self._connection = _connect(archive.path)
        self._thread = ThreadPoolExecutor(1, "convai-async-browse")

    @classmethod
    @asynccontextmanager
    async def open(cls, path: ArchivePath | PostgresUrl) -> AsyncIterator[ArchiveConnection]:
        """Open an archive.

        Raises:
            ArchiveError: The file does not exist, is not a convai archive, or has another version.
        """
        with await asyncio.to_thread(Archive.open, path) as archive:
            opened = cls(archive)
            try:
                yield opened
            finally:
                opened._close()

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query and return its result.

        Raises:
            ArchiveError: The archive was removed or replaced, or contains data that convai_async did not write.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, query)

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        if _identify(self.path) != self._file:
            raise ArchiveError(
                f"{str(self.path)!r} was moved, removed or replaced: stop this command and start it again"
            )
        try:
            self._connection.execute("BEGIN")
            try:
                return query(self._connection)
            finally:
                self._connection.rollback()
        except ConvAIError:
            raise
        except sqlite3.Error as error:
            raise ArchiveError(f"{str(self.path)!r} cannot be read: {error}") from error
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            raise ArchiveError(
                f"{str(self.path)!r} contains data that convai_async did not write ({error}): restore it from a backup,"
                " or harvest into a new one"
            ) from error

    def _close(self) -> None:
        self._connection.interrupt()
        self._thread.shutdown()
        self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    # SQLite would make its log in the folder, also for reading.
    unwritable = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{'immutable=1' if unwritable else 'mode=ro'}",
        uri=True,
        timeout=_BUSY_TIMEOUT_SECS,
        isolation_level=None,  # `_run` begins the transactions
        check_same_thread=False,  # opened and closed in the main thread, used in the other
    )
    connection.text_factory = _decode_text
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(CREATE_TEMPORARY_INDEX)
    return connection


def _decode_text(data: bytes) -> str:
    return data.decode(errors="replace")  # an untrusted file can hold any bytes


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
