"""Open an archive for the pages of `convai_async.browse`: read-only, and for short queries."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from convai_async.archive._connection import SqliteConnection
from convai_async.archive._reader import ArchiveReader
from convai_async.archive._sqlite._database import must_be_immutable

if TYPE_CHECKING:
    from convai_async.archive._location import Location, PostgresUrl

_BUSY_TIMEOUT_SECS = 5.0
POSTGRES_SETTINGS = """\
SELECT set_config('statement_timeout', '10s', false), set_config('cursor_tuple_fraction', '0.001', false)"""
"""A page needs milliseconds, and of a list of all conversations only the beginning."""


def open_page_reader(path: Location) -> ArchiveReader:
    """Open an archive that was checked before. Threads can take turns with the reader.

    Raises:
        ArchiveError: A database cannot be reached.
    """
    return _open_file(path) if isinstance(path, Path) else _open_url(path)


def _open_file(path: Path) -> ArchiveReader:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{'immutable=1' if must_be_immutable(path) else 'mode=ro'}",
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
    reader.connection.execute(POSTGRES_SETTINGS)
    return reader


def _decode_text(data: bytes) -> str:
    return data.decode(errors="replace")  # an untrusted file can hold any bytes
