"""Open an archive for the pages of `convai_async.browse`: read-only, and for short queries."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from convai_async.archive._connection import SqliteConnection
from convai_async.archive._reader import ArchiveReader

if TYPE_CHECKING:
    from convai_async.archive._location import Location, PostgresUrl

_BUSY_TIMEOUT_SECS = 5.0
DATABASE_SETTINGS = """\
SELECT set_config('statement_timeout', '10s', false), set_config('cursor_tuple_fraction', '0.001', false)"""
"""A page needs milliseconds, and of a list of all conversations only the beginning."""


def open_page_reader(path: Location) -> ArchiveReader:
    """Open an archive that was checked before. Threads can take turns with the reader.

    Raises:
        ArchiveError: A database cannot be reached.
    """
    return _open_file(path) if isinstance(path, Path) else _open_url(path)


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
    reader.connection.execute(DATABASE_SETTINGS)
    return reader


def _decode_text(data: bytes) -> str:
    return data.decode(errors="replace")  # an untrusted file can hold any bytes
