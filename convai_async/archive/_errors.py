"""The errors of an archive, and the translation of SQLite's errors."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convai_async.errors import ConvAIError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.archive._location import Location

BUSY_TIMEOUT_SECS = 30.0
"""Seconds to wait for other processes' transactions."""


class ArchiveError(ConvAIError):
    """The archive cannot be opened or written, or the file is not a convai archive."""


class ArchiveBusyError(ArchiveError):
    """Another process is using the archive; try again later."""

    retryable = True


class ArchiveConnectionError(ArchiveError):
    """The database of an archive cannot be reached, or the connection was lost; try again later.

    It is not retryable if the database refuses the connection: the password is wrong, or there is no such database.
    """

    retryable = True


@contextmanager
def translate_errors(path: Location) -> Iterator[None]:
    """Turn SQLite's errors into `ArchiveError`, which names the file."""
    try:
        yield
    except sqlite3.Error as error:
        if is_busy(error):
            raise ArchiveBusyError(
                f"other processes have locked {str(path)!r} for {BUSY_TIMEOUT_SECS:g} s: try again later"
            ) from error
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise ArchiveError(f"{str(path)!r} is not a convai archive: choose another file") from error
        advice = ""
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CORRUPT:
            advice = " (the file is damaged: restore it from a backup, or harvest into a new one)"
        elif getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CANTOPEN and _are_files_exhausted():
            advice = " (the process has too many open files: raise the limit with `ulimit -n`)"
        raise ArchiveError(f"{str(path)!r}: {error}{advice}") from error


def _are_files_exhausted() -> bool:
    """Return whether no more files can be opened, which SQLite does not tell from other reasons."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in {errno.EMFILE, errno.ENFILE}
    return False


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether SQLite reported that the database is locked by another process."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY  # the other bits say why


@contextmanager
def translate_content_errors(path: Location) -> Iterator[None]:
    """Turn SQLite's errors, and errors from unexpected values, into `ArchiveError`, which names the file.

    An archive can be damaged or come from an untrusted source, and so contain values that convai_async did not write.
    """
    with translate_errors(path):
        try:
            yield
        except ConvAIError:
            raise
        except (TypeError, ValueError, LookupError, OverflowError, MemoryError, RecursionError) as error:
            raise ArchiveError(
                f"{str(path)!r} contains data that convai_async did not write ({str(error) or type(error).__name__}):"
                " restore it from a backup, or harvest into a new one"
            ) from error
