"""Opening the archive's file: what is ours, of which version, and whose turn it is to write."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from convai_async.errors import ConvAIError
from convai_async.harvest._schema import APPLICATION_ID, MIGRATIONS, SCHEMA, SCHEMA_VERSION, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T", bound=msgspec.Struct)

_BUSY_TIMEOUT_SECS = 30


class ArchiveError(ConvAIError):
    """The archive cannot be opened or written, or the file is none of ours."""


class ArchiveBusyError(ArchiveError):
    """Another process is writing to the archive; passing."""

    retryable = True


def open_for_reading(path: str | os.PathLike[str]) -> tuple[Path, sqlite3.Connection]:
    """Open an archive that is there.

    Raises:
        ArchiveError: There is no such file, it is something else, or of another version.
    """
    file = _checked_path(path)
    if not file.exists():
        raise _no_archive(file)
    # SQLite would make its log beside the file, also for reading.
    unwritable = not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists()
    connection = _connect(file, "immutable=1" if unwritable else "mode=rw")
    with _closed_on_error(connection), contents_of(file):
        # Not opened as read-only: the last one who closes the file must be able to tidy up beside it.
        connection.execute("PRAGMA query_only = ON")
        version = _checked_version(connection, file)
        if version < SCHEMA_VERSION:
            raise ArchiveError(
                f"{str(file)!r} was written by an older convai_async (schema {version}, this one reads"
                f" {SCHEMA_VERSION}): the next `convai-async harvest {file}` brings it up to date"
            )
        _check_tables(connection, file)
    return file, connection


def open_for_writing(
    path: str | os.PathLike[str], source: str, *, create: bool
) -> tuple[Path, sqlite3.Connection, sqlite3.Connection]:
    """Open an archive, alone, and bring it up to this version.

    Args:
        path: The file. Its folder must exist. A new file is readable by its owner only.
        source: The address of the service that it is of.
        create: Whether to make it if there is no file yet.

    Returns:
        The file, the connection to it, and the lock: see `unlock`.

    Raises:
        ArchiveError: The file is something else, of another source, of a newer version, not writable, or
            somebody else writes to it.
    """
    file = _checked_path(path)
    if not create and not file.exists():
        raise _no_archive(file)
    _make_private(file)
    connection = _connect(file, "mode=rw")
    with _closed_on_error(connection), contents_of(file):
        if not (create and _is_new(connection)):
            _checked_version(connection, file)
        lock = _lock(file)
        try:
            _prepare(connection, file, source)
        except BaseException:
            unlock(file, lock)
            raise
    return file, connection, lock


def _make_private(file: Path) -> None:
    try:
        fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ArchiveError(f"{str(file)!r} cannot be written: {error.strerror}") from error
    os.close(fd)


def _lock(file: Path) -> sqlite3.Connection:
    # A transaction in an empty database beside the archive: it works wherever SQLite does, and ends with
    # the process, however that ends.
    lock_file = _lock_file(file)
    _make_private(lock_file)
    with errors_named(lock_file):
        lock = sqlite3.connect(lock_file, timeout=0, check_same_thread=False)
        with _closed_on_error(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                raise ArchiveBusyError(
                    f"another process is writing to {str(file)!r}: wait for it, or stop it"
                ) from error
    return lock


def unlock(file: Path, lock: sqlite3.Connection) -> None:
    """Let others write to an archive."""
    if os.name != "nt":  # Windows removes no open file
        _lock_file(file).unlink(missing_ok=True)
    lock.close()


def _lock_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.lock")


def value(connection: sqlite3.Connection, query: str, *parameters: Any) -> Any:
    """Return the first column of a query's first row."""
    return connection.execute(query, parameters).fetchone()[0]


@contextmanager
def errors_named(file: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, which name the file."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise ArchiveError(f"{str(file)!r} exists and is no archive: name another file") from error
        advice = ""
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CORRUPT:
            advice = " (the file is damaged: restore it from a backup, or harvest into a new one)"
        raise ArchiveError(f"{str(file)!r}: {error}{advice}") from error


@contextmanager
def contents_of(file: Path) -> Iterator[None]:
    """Turn what goes wrong with reading an archive's rows into our errors, which name the file.

    Besides SQLite's errors that is whatever comes of values that we did not write: an archive can be damaged, or
    come from a stranger.
    """
    with errors_named(file):
        try:
            yield
        except ConvAIError:
            raise
        except (TypeError, ValueError, LookupError, OverflowError, MemoryError, RecursionError) as error:
            raise ArchiveError(
                f"{str(file)!r} holds what convai_async did not write ({str(error) or type(error).__name__}):"
                " restore it from a backup, or harvest into a new one"
            ) from error


def typed(kind: type[T], row: Iterable[Any]) -> T:
    """Return a row as a Struct whose fields are its columns.

    Raises:
        msgspec.ValidationError: A value is of another type than its field.
    """
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=False)), kind, builtin_types=(bytes,))


def _prepare(connection: sqlite3.Connection, file: Path, source: str) -> None:
    # WAL lets people query while a harvest runs. FULL syncs it at every commit: what the harvest counts as
    # written is still there after a power failure.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is removed is removed from the file, too
    connection.execute("PRAGMA cache_size = -32768")  # KiB; indexing what was said goes through many pages
    if _is_new(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(
            f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
        )
        connection.execute("INSERT INTO archive VALUES (?)", (source,))
        connection.commit()
    for version in range(_checked_version(connection, file), SCHEMA_VERSION):
        connection.executescript(f"BEGIN; {MIGRATIONS[version]} PRAGMA user_version = {version + 1}; COMMIT;")
    _check_tables(connection, file)
    present = value(connection, "SELECT source FROM archive")
    if present != source and value(connection, "SELECT count(*) FROM conversations") == 0:
        # Whoever named the wrong region first, and got nothing, may name the right one.
        connection.execute("UPDATE archive SET source = ?", (source,))
        connection.execute("DELETE FROM failures")
        connection.commit()
    elif present != source:
        raise ArchiveError(f"{str(file)!r} holds conversations of {present}, not of {source}: name another file")


def _is_new(connection: sqlite3.Connection) -> bool:
    tables, mark = value(connection, "SELECT count(*) FROM sqlite_schema"), value(connection, "PRAGMA application_id")
    return (tables, mark) == (0, 0)


def _checked_version(connection: sqlite3.Connection, file: Path) -> int:
    if value(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise ArchiveError(f"{str(file)!r} is a database, but no archive of ours: name another file")
    version = int(value(connection, "PRAGMA user_version"))
    if version > SCHEMA_VERSION:
        raise ArchiveError(
            f"{str(file)!r} was written by a newer convai_async (schema {version}, this one knows"
            f" {SCHEMA_VERSION}): upgrade with `pip install -U convai-async`"
        )
    if version < 1:
        raise ArchiveError(f"{str(file)!r} is marked as an archive, but of no version that there is: name another file")
    return version


def _check_tables(connection: sqlite3.Connection, file: Path) -> None:
    # A view in the place of a table can have rows without end.
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    missing = TABLES - {name for (name,) in rows}
    if missing:
        raise ArchiveError(
            f"{str(file)!r} has no table {', '.join(sorted(missing))}: restore it from a backup,"
            " or harvest into a new one"
        )


def _no_archive(file: Path) -> ArchiveError:
    return ArchiveError(f"there is no archive {str(file)!r}: make one with `convai-async harvest {file}`")


def _checked_path(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if file.is_symlink():
        file = Path(os.path.realpath(file))  # the lock and the recordings are beside the file itself
    if file.is_dir():
        raise ArchiveError(f"{str(file)!r} is a folder: name a file in it, such as '{file / 'calls.db'}'")
    if not file.parent.is_dir():
        raise ArchiveError(f"the folder {str(file.parent)!r} does not exist: make it with `mkdir -p {file.parent}`")
    if file.exists() and not file.is_file():
        raise ArchiveError(f"{str(file)!r} is no regular file: name another")
    return file


def _connect(file: Path, how: str) -> sqlite3.Connection:
    with errors_named(file):
        return sqlite3.connect(
            f"{file.absolute().as_uri()}?{how}",
            uri=True,
            timeout=_BUSY_TIMEOUT_SECS,
            check_same_thread=False,  # worker threads take turns with it
        )


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
