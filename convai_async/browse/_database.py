"""Read an archive in a separate thread."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from convai_async.archive import Archive, ArchiveConnectionError, ArchiveError
from convai_async.archive._connection import SqliteConnection
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._reader import ArchiveReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from convai_async.archive import ArchivePath, Location, PostgresUrl

T = TypeVar("T")

_BUSY_TIMEOUT_SECS = 5.0
_DATABASE_SETTINGS = """\
SELECT set_config('statement_timeout', '10s', false), set_config('cursor_tuple_fraction', '0.001', false)"""
"""A page needs milliseconds, and of a list of all conversations only the beginning."""


class ArchiveConnection:
    """Runs queries on an archive in one thread, each in a transaction, so that its results belong together.

    Args:
        path: The archive's file, or the URL of its database.
        open_reader: Opens it.

    Attributes:
        name: The name of the archive for people, without a password.
        file: The archive's file; None if it is in a database.
    """

    def __init__(self, path: Location, open_reader: Callable[[], ArchiveReader]) -> None:
        self.file = path if isinstance(path, Path) else None
        self.name = str(path) if self.file is None else self.file.name
        self._path = path
        self._identity = _identify(path)
        self._open_reader = open_reader
        self._reader = open_reader()
        self._thread = ThreadPoolExecutor(1, "convai-async-browse")

    @classmethod
    @asynccontextmanager
    async def open(cls, path: ArchivePath | PostgresUrl) -> AsyncIterator[ArchiveConnection]:
        """Open an archive.

        Raises:
            ArchiveError: It does not exist, is not a convai archive, has another version, or cannot be reached.
        """
        # A file stays open: the last connection to it removes SQLite's log beside it, and a read-only one cannot.
        with await asyncio.to_thread(Archive.open, path) as archive:
            location = archive.path
            open_reader = partial(_open_file, location) if isinstance(location, Path) else partial(_open_url, location)
            opened = await asyncio.to_thread(cls, location, open_reader)
            try:
                yield opened
            finally:
                await asyncio.to_thread(opened.close)

    async def run(self, query: Callable[[ArchiveReader], T]) -> T:
        """Run a query and return its result.

        Raises:
            ArchiveError: The archive was removed or replaced, contains data that convai_async did not write, or its
                database cannot be reached.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, query)

    def _run(self, query: Callable[[ArchiveReader], T]) -> T:
        if _identify(self._path) != self._identity:
            raise ArchiveError(
                f"{str(self._path)!r} was moved, removed or replaced: stop this command and start it again"
            )
        try:
            return self._query(query)
        except ArchiveConnectionError:  # the database was restarted
            self._reader.close()
            self._reader = self._open_reader()
            return self._query(query)

    def _query(self, query: Callable[[ArchiveReader], T]) -> T:
        with translate_content_errors(self._path), self._reader.snapshot():
            return query(self._reader)

    def close(self) -> None:
        """Close the archive; a query that runs ends with an error."""
        self._reader.connection.interrupt()
        self._thread.shutdown()
        self._reader.close()


def _open_file(path: Path) -> ArchiveReader:
    # SQLite would make its log in the folder, also for reading.
    unwritable = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{'immutable=1' if unwritable else 'mode=ro'}",
        uri=True,
        timeout=_BUSY_TIMEOUT_SECS,
        isolation_level=None,  # `ArchiveReader.snapshot` begins the transactions
        check_same_thread=False,  # opened and closed in other threads than the one that uses it
        factory=SqliteConnection,
    )
    connection.text_factory = _decode_text
    connection.execute("PRAGMA temp_store = MEMORY")
    return ArchiveReader(path, connection)


def _open_url(url: PostgresUrl) -> ArchiveReader:
    from convai_async.archive._postgres import PostgresReader  # noqa: PLC0415 - only with the extra

    reader = PostgresReader(url)
    reader.connection.execute(_DATABASE_SETTINGS)
    return reader


def _decode_text(data: bytes) -> str:
    return data.decode(errors="replace")  # an untrusted file can hold any bytes


def _identify(path: Location) -> tuple[int, int] | None:
    try:
        found = path.stat() if isinstance(path, Path) else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
