"""The connections of an `Archive`: one for reading, and one for each write or for a lock."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convai_async.archive._errors import ArchiveError
from convai_async.archive._reader import ArchiveReader
from convai_async.archive._sqlite._database import open_for_reading
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from convai_async.archive._location import Location


class ArchiveSession:
    """Opens an archive for reading when needed, and for each write.

    Args:
        path: The file, or the URL of the database.
        create: Whether a write may create it.
        source: The address of the service, if it is known.
    """

    def __init__(self, path: Location, *, create: bool, source: str | None) -> None:
        self._path = path
        self._create = create
        self._source = source
        self._opened: ArchiveReader | None = None
        self._locked: ArchiveWriter | None = None
        self._closed = False

    @property
    def reader(self) -> ArchiveReader:
        """The reader, opened if it is not.

        Raises:
            ArchiveError: The archive is closed, or cannot be opened.
        """
        self._check_not_closed()
        return self._opened or self.open()

    def open(self) -> ArchiveReader:
        """Open the archive for reading."""
        self._opened = open_reader(self._path)
        return self._opened

    def close(self) -> None:
        """Close the reader; nothing can be read or written any more."""
        self._closed = True
        if self._opened is not None:
            self._opened.close()

    def write(self, **options: Any) -> AbstractContextManager[ArchiveWriter]:
        """Open the archive for writing, or use the lock; the options are those of `ArchiveWriter`.

        Raises:
            InvalidArgumentError: The archive is to be created, and its source is not known.
        """
        return self._write(self._find_source(), **options)

    def write_import(self, file: Path, source: str) -> AbstractContextManager[ArchiveWriter]:
        """Open the archive for the conversations of a file.

        Raises:
            ArchiveError: They are from another source.
        """
        expected = self._source if self._locked is None else self._find_source()
        if expected not in {None, source}:
            raise ArchiveError(f"{str(file)!r} contains conversations from {source}, not from {expected}")
        return self._write(source, exclusive=True)

    @contextmanager
    def lock(self, hash_api_key: Callable[[bytes], bytes] | None) -> Iterator[None]:
        """Lock the archive: see `Archive.lock`."""
        with self.write(exclusive=True, hash_api_key=hash_api_key) as writer:
            outer, self._locked = self._locked, writer
            try:
                yield
            finally:
                self._locked = outer

    @contextmanager
    def _write(self, source: str, **options: Any) -> Iterator[ArchiveWriter]:
        if self._locked is not None:
            yield self._locked
            return
        self._check_not_closed()
        with ArchiveWriter(self._path, source, create=self._create, **options) as writer:
            yield writer

    def _find_source(self) -> str:
        if self._source is not None:
            return self._source
        if isinstance(self._path, Path) and not self._path.exists():
            raise InvalidArgumentError("source", "is required to create a new archive: pass it to Archive.open")
        return self.reader.source()

    def _check_not_closed(self) -> None:
        if self._closed:
            raise ArchiveError(f"{str(self._path)!r} is closed: open it again with Archive.open")


def open_reader(path: Location) -> ArchiveReader:
    """Open an archive for reading.

    Raises:
        ArchiveError: It does not exist, is not a convai archive, or has another version.
    """
    if isinstance(path, Path):
        return ArchiveReader(*open_for_reading(path))
    from convai_async.archive._postgres import PostgresReader  # noqa: PLC0415 - only with the extra

    return PostgresReader(path)
