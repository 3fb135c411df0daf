"""Open and check the file of an archive, upgrade it, and lock it for writing."""

from __future__ import annotations

import errno
import os
import random
import shlex
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._connection import SqliteConnection
from convai_async.archive._contents import change_source
from convai_async.archive._errors import (
    BUSY_TIMEOUT_SECS,
    ArchiveBusyError,
    ArchiveError,
    is_busy,
    translate_content_errors,
    translate_errors,
)
from convai_async.archive._location import format_command
from convai_async.archive._schema._tables import SCHEMA_VERSION, TABLES
from convai_async.archive._sql import close_on_error, fetch_value, transaction
from convai_async.archive._sqlite._fill import fill_new_columns, is_fill_due
from convai_async.archive._sqlite._migrations import MIGRATIONS
from convai_async.archive._sqlite._schema import APPLICATION_ID, build_schema, build_views

if TYPE_CHECKING:
    from collections.abc import Callable

_LOCK_TIMEOUT_SECS = 0.2
"""Seconds to wait for the lock of a long write, since two concurrent attempts can block each other."""
_opening = Lock()
"""Held while a file is made or opened: see `_connect`."""


def open_for_reading(path: str | os.PathLike[str], *, read_only: bool = False) -> tuple[Path, SqliteConnection]:
    """Open an archive that exists.

    Args:
        path: The file.
        read_only: Whether SQLite opens the file itself as read-only; then another connection has to remove the log.

    Raises:
        ArchiveError: The file does not exist, is not a convai archive, or has another version.
    """
    file = validate_path(path)
    if not file.exists():
        raise build_missing_error(file)
    connection = _connect(file, "immutable=1" if must_be_immutable(file) else "mode=ro" if read_only else "mode=rw")
    with close_on_error(connection), translate_content_errors(file):
        # Not opened as read-only: the last process that closes the file must be able to remove the log beside it.
        connection.execute("PRAGMA query_only = ON")
        version = _validate_version(connection, file)
        if version < SCHEMA_VERSION:
            raise ArchiveError(
                f"{str(file)!r} was written by an older convai_async (schema {version}, this one reads"
                f" {SCHEMA_VERSION}): the next `{format_command('harvest', file)}` brings it up to date"
            )
        _check_tables(connection, file)
        if is_fill_due(connection):
            raise ArchiveError(
                f"the upgrade of {str(file)!r} is not complete: wait for it, or if it was interrupted, the next"
                f" `{format_command('harvest', file)}` completes it"
            )
    return file, connection


def must_be_immutable(file: Path) -> bool:
    """Return whether SQLite cannot create its log beside a file, which it does for reading too."""
    return not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists()


def open_for_writing(
    path: str | os.PathLike[str],
    source: str | None,
    *,
    create: bool,
    exclusive: bool,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, SqliteConnection, sqlite3.Connection | None]:
    """Open an archive and bring it up to this version.

    Args:
        path: The file. Its folder must exist. A new file is readable by its owner only.
        source: The address of the service that the conversations are from; None accepts any, for a file that exists.
        create: Whether to create the file if it does not exist.
        exclusive: Whether to lock out others that open it as exclusive. A short write does not need it: SQLite
            lets transactions wait for each other.
        progress: Called during an upgrade with the number of conversations so far, and the number of all.

    Returns:
        The file, the connection to it, and the connection that holds the lock until it is closed, or None.

    Raises:
        ArchiveBusyError: Another process has the lock, or the transactions of others did not end within 30 s.
        ArchiveError: The file is not a convai archive, belongs to another service, has a newer version or hard links,
            or cannot be written.
    """
    file = validate_path(path)
    if not create and not file.exists():
        raise build_missing_error(file)
    if file.exists():
        _check_links(file)
    connection = _connect(file, "mode=rw", writable=True)
    with close_on_error(connection), translate_content_errors(file):
        _retry_while_busy(lambda: _check_ours(connection, file, create=create))
        lock = _lock(file) if exclusive else None
        try:
            _retry_while_busy(lambda: _prepare(connection, file, source, progress))
        except BaseException:
            if lock is not None:
                lock.close()
            raise
    return file, connection, lock


def upgrade_file(path: str | os.PathLike[str], progress: Callable[[int, int], None] | None) -> bool:
    """Do the work of `Archive.upgrade`."""
    if not _needs_upgrade(path):
        return False
    _, connection, lock = open_for_writing(path, None, create=False, exclusive=True, progress=progress)
    connection.close()
    if lock is not None:
        lock.close()
    return True


def _needs_upgrade(path: str | os.PathLike[str]) -> bool:
    """Return whether an archive was written by an older version, or its upgrade is not complete.

    Raises:
        ArchiveError: The file is not a convai archive, or of a newer version.
    """
    file = validate_path(path)
    if not file.exists() or file.stat().st_size == 0:
        return False
    connection = _connect(file, "mode=rw")
    with closing(connection), translate_content_errors(file):
        if _is_new(connection):
            return False
        return _validate_version(connection, file) < SCHEMA_VERSION or is_fill_due(connection)


def _check_ours(connection: SqliteConnection, file: Path, *, create: bool) -> None:
    if not (create and _is_new(connection)):
        _validate_version(connection, file)


def _lock(file: Path) -> sqlite3.Connection:
    # A transaction in an empty database beside the archive: it works wherever SQLite does, and ends with
    # the process, however that ends. The file stays: a process that waited for a removed file would lock that one.
    lock_file = file.with_name(f"{file.name}.lock")
    lock = _connect(lock_file, "mode=rw", writable=True, timeout=_LOCK_TIMEOUT_SECS)
    with translate_errors(lock_file), close_on_error(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            raise ArchiveBusyError(f"another process is writing to {str(file)!r}: wait for it, or stop it") from error
    return lock


def _retry_while_busy(work: Callable[[], None]) -> None:
    """Repeat work while the database is busy, since SQLite's own timeout does not apply to all statements."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECS
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.001, 0.05))  # noqa: S311 - so that two processes do not collide again


class FileIdentity(msgspec.Struct, frozen=True):
    """Identifies a file, whatever its name.

    Attributes:
        device: The number of its file system.
        inode: The number of the file there.
    """

    device: int
    inode: int

    @classmethod
    def read(cls, file: Path) -> FileIdentity | None:
        """Return the identity of the file at a path, or None if there is none."""
        try:
            found = file.stat()
        except OSError:
            return None
        return cls(found.st_dev, found.st_ino)


def check_in_place(file: Path, identity: FileIdentity | None, connection: SqliteConnection) -> None:
    """Make sure that the file that is being written still has its name.

    Raises:
        ArchiveError: It was moved, removed or replaced; the error says where it is.
    """
    present = FileIdentity.read(file)
    if present == identity:
        return
    with suppress(sqlite3.Error):
        # The log has the old name: left beside another file, it would be taken for that file's.
        connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    beside = file.parent.iterdir() if file.parent.is_dir() else ()
    moved = next((each for each in beside if FileIdentity.read(each) == identity), None)
    where = (
        "it was removed, or moved to another folder, and everything that was written is in it"
        if moved is None
        else f"it is now {str(moved)!r}, with everything that was written"
    )
    now = "" if present is None else f"; another file is at {str(file)!r} now"
    raise ArchiveError(
        f"{str(file)!r} was moved, removed or replaced while it was being written: {where}{now}."
        " Put the right file in its place and run the same command again"
    )


def _prepare(
    connection: SqliteConnection, file: Path, source: str | None, progress: Callable[[int, int], None] | None
) -> None:
    # WAL lets people query while a harvest runs. FULL syncs it at every commit: conversations that the harvest
    # counts as written are still there after a power failure.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # overwrites the bytes of deleted rows
    connection.execute("PRAGMA cache_size = -32768")  # KiB; indexing messages goes through many pages
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages; copying the log after each commit costs more
    if _is_new(connection) or _validate_version(connection, file) < SCHEMA_VERSION:
        with transaction(connection):
            _bring_up_to_date(connection, file, source)
    _check_tables(connection, file)
    fill_new_columns(connection, file, progress)
    if source is not None and fetch_value(connection, "SELECT source FROM archive") != source:
        with transaction(connection):
            change_source(connection, file, source)


def _bring_up_to_date(connection: SqliteConnection, file: Path, source: str | None) -> None:
    if _is_new(connection):  # another process may have created it since
        _run_script(connection, build_schema())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("INSERT INTO archive (source) VALUES (?)", (source,))
    else:
        for version in range(_validate_version(connection, file), SCHEMA_VERSION):
            _run_script(connection, MIGRATIONS[version])
        _run_script(connection, build_views())
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _run_script(connection: SqliteConnection, script: str) -> None:
    """Execute statements that each end at the end of a line; `executescript` would commit first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _is_new(connection: SqliteConnection) -> bool:
    tables, mark = (
        fetch_value(connection, "SELECT count(*) FROM sqlite_schema"),
        fetch_value(connection, "PRAGMA application_id"),
    )
    return (tables, mark) == (0, 0)


def _validate_version(connection: SqliteConnection, file: Path) -> int:
    if _is_new(connection):  # of a process that ended before it had created the tables
        raise build_missing_error(file)
    if fetch_value(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise ArchiveError(f"{str(file)!r} is a database, but not a convai archive: choose another file")
    version = int(fetch_value(connection, "PRAGMA user_version"))
    if version > SCHEMA_VERSION:
        raise ArchiveError(
            f"{str(file)!r} was written by a newer convai_async (schema {version}, this one knows"
            f" {SCHEMA_VERSION}): upgrade with `pip install -U convai-async`"
        )
    if version < 1:
        raise ArchiveError(
            f"{str(file)!r} is marked as a convai archive, but its version is unknown: choose another file"
        )
    return version


def _check_tables(connection: SqliteConnection, file: Path) -> None:
    # A view instead of a table can have an infinite number of rows.
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    missing = {table.name for table in TABLES} - {name for (name,) in rows}
    if missing:
        raise ArchiveError(
            f"{str(file)!r} has no table {', '.join(sorted(missing))}: restore it from a backup,"
            " or harvest into a new one"
        )


def build_missing_error(file: Path) -> ArchiveError:
    """Return the error for a file that does not exist."""
    return ArchiveError(f"there is no archive {str(file)!r}: create one with `{format_command('harvest', file)}`")


def validate_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of an archive; of a symbolic link, its target.

    Raises:
        ArchiveError: It is a folder or not a regular file, or its folder does not exist.
    """
    file = Path(path)
    if file.is_symlink():
        file = Path(os.path.realpath(file))  # the lock and the recordings are beside the file itself
    if file.is_dir():
        raise ArchiveError(f"{str(file)!r} is a folder: choose a file in it, such as '{file / 'calls.db'}'")
    if not file.parent.is_dir():
        raise ArchiveError(
            f"the folder {str(file.parent)!r} does not exist: create it with `mkdir -p {shlex.quote(str(file.parent))}`"
        )
    if file.exists() and not file.is_file():
        raise ArchiveError(f"{str(file)!r} is not a regular file: choose another")
    return file


def _check_links(file: Path) -> None:
    if file.stat().st_nlink > 1:
        raise ArchiveError(
            f"{str(file)!r} has a second name (a hard link): SQLite keeps its log beside one name, so writing under"
            " two would damage it. Remove the other name, or write to a copy"
        )


def _connect(file: Path, how: str, *, writable: bool = False, timeout: float | None = None) -> SqliteConnection:
    # When any descriptor of a file is closed, a process loses its POSIX locks on it, SQLite's too
    # (https://www.sqlite.org/howtocorrupt.html, 2.2): never open a file that a connection may be open to.
    with translate_errors(file), _opening:
        if writable:
            _make_private(file)
        return sqlite3.connect(
            f"{file.absolute().as_uri()}?{how}",
            uri=True,
            timeout=BUSY_TIMEOUT_SECS if timeout is None else timeout,
            isolation_level=None,  # `transaction` begins them
            check_same_thread=False,  # worker threads take turns with it
            factory=SqliteConnection,
        )


def _make_private(file: Path) -> None:
    try:
        if not file.exists():
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        elif not os.access(file, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ArchiveError(f"{str(file)!r} cannot be written: {error.strerror}") from error
