"""Read an archive in a separate thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from convai_async.archive import Archive, ArchiveConnectionError, ArchiveError
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._page_reader import open_page_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from convai_async.archive import ArchivePath, ArchiveReader, Location, PostgresUrl

T = TypeVar("T")


class ArchiveConnection:
    """Runs queries on an archive in one thread, each in a transaction, so that its results belong together.

    Args:
        path: The archive's file, or the URL of its database.

    Attributes:
        name: The name of the archive for people, without a password.
        file: The archive's file; None if it is in a database.
    """

    def __init__(self, path: Location) -> None:
        self.file = path if isinstance(path, Path) else None
        self.name = str(path) if self.file is None else self.file.name
        self._path = path
        self._identity = _identify(path)
        self._reader = open_page_reader(path)
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
            opened = await asyncio.to_thread(cls, archive.path)
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
            self._reader = open_page_reader(self._path)
            return self._query(query)

    def _query(self, query: Callable[[ArchiveReader], T]) -> T:
        with translate_content_errors(self._path), self._reader.snapshot():
            return query(self._reader)

    def close(self) -> None:
        """Close the archive; a query that runs ends with an error."""
        self._reader.connection.interrupt()
        self._thread.shutdown()
        self._reader.close()


def _identify(path: Location) -> tuple[int, int] | None:
    try:
        found = path.stat() if isinstance(path, Path) else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
