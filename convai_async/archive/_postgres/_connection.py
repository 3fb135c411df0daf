"""A connection to PostgreSQL with the methods of ``sqlite3.Connection`` that archives use."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.types.bool import BoolBinaryLoader
from psycopg.types.numeric import NumericBinaryLoader
from psycopg.types.string import StrDumperUnknown

from convai_async.archive._connection import ROWS_PER_FETCH
from convai_async.archive._errors import (
    BUSY_TIMEOUT_SECS,
    ArchiveBusyError,
    ArchiveConnectionError,
    ArchiveError,
)
from convai_async.archive._postgres._clean import clean_text
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from convai_async.archive._location import PostgresUrl

_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Parameters of libpq, unless the URL has others, which end a connection 30 seconds after its network was lost.

By default, that takes hours while a statement runs, and a quarter of an hour while one is sent.
"""

_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "not permitted to log in",
    "permission denied for database",
)
"""In errors of a new connection, which have no SQLSTATE. A server with messages in another language is waited for."""

_TOKEN = re.compile(r"'(?:[^']|'')*'|\?|:([a-z]\w*)|%|\bON CONFLICT \(")
_numbers = count()  # of cursors, whose names must differ within a transaction
# Those that the role or the database can have set to other values: on a snapshot from before it waited for the lock of
# the workspace, a transaction would not see what the one before it has stored.
_SETTINGS = """\
SELECT set_config('search_path', 'convai_workspace, convai', false), set_config('convai.workspace', %s, false),
    set_config('lock_timeout', %s, false), set_config('default_transaction_read_only', %s, false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('standard_conforming_strings', 'on', false), set_config('gin_fuzzy_search_limit', '0', false),
    (SELECT count(set_config(name, '0', false)) FROM pg_settings WHERE setting <> '0' AND source <> 'client' AND name IN
        ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout'))"""
"""Timeouts are for people's queries: exports and upgrades take long, as pg_dump does. Options in the URL are kept."""


class _NumericLoader(NumericBinaryLoader):
    """Loads numbers as int or float, as SQLite returns them, instead of Decimal."""

    def load(self, data: Any) -> Any:
        value = super().load(data)
        return int(value) if value.as_tuple().exponent == 0 else float(value)


class _BooleanLoader(BoolBinaryLoader):
    """Loads booleans as 0 or 1, as SQLite returns them: files and pages are the same for both databases."""

    def load(self, data: Any) -> Any:
        return int(super().load(data))


class _TextDumper(StrDumperUnknown):
    """Dumps text without NUL, which PostgreSQL cannot hold."""

    def dump(self, obj: str) -> Any:
        return super().dump(clean_text(obj))


class PostgresConnection:
    """A connection to a workspace, outside a transaction until one is begun.

    Args:
        url: The database and the workspace.
        read_only: Whether to refuse changes.

    Raises:
        ArchiveConnectionError: The database cannot be reached.
        InvalidArgumentError: libpq cannot read the URL.

    Attributes:
        url: The database and the workspace.
        raw: The connection of psycopg.
    """

    def __init__(self, url: PostgresUrl, *, read_only: bool) -> None:
        self.url = url
        self._read_only = read_only
        parameters = build_parameters(url) | {"application_name": "convai_async", "client_encoding": "utf8"}
        with translate_database_errors(url):
            self.raw = psycopg.connect(**parameters, autocommit=True)
            self.raw.adapters.register_loader("numeric", _NumericLoader)
            self.raw.adapters.register_loader("bool", _BooleanLoader)
            self.raw.adapters.register_dumper(str, _TextDumper)
            self.raw.execute(_SETTINGS, (url.workspace, f"{BUSY_TIMEOUT_SECS:g}s", "on" if read_only else "off"))

    def check_session(self) -> None:
        """Make sure, in a transaction, that the session is still the one that this connection has set up.

        Raises:
            ArchiveError: A pooler has given the transaction another session, which may be of another workspace. Or the
                role has lost its right on the schema of the workspace, so that names mean the tables of all workspaces.
        """
        [(workspace, is_permitted)] = self.execute(
            "SELECT current_setting('convai.workspace', true), has_schema_privilege('convai_workspace', 'USAGE')"
        ).fetchall()
        if not is_permitted:
            raise ArchiveError(
                f"the role of {str(self.url)!r} is not permitted to use the schema convai_workspace: grant it USAGE"
            )
        if workspace != self.url.workspace:
            raise ArchiveError(
                f"the connection to {str(self.url)!r} does not keep its settings: if it goes through a pooler such as"
                " PgBouncer, use its session mode, or connect directly"
            )

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun, and has not failed."""
        return self.raw.info.transaction_status == TransactionStatus.INTRANS

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> psycopg.Cursor[Any]:
        """Execute a statement in the syntax of `Connection`."""
        with translate_database_errors(self.url):
            return self.raw.cursor(binary=True).execute(translate(sql), parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> psycopg.Cursor[Any]:
        """Execute a statement for each of several rows of parameters."""
        with translate_database_errors(self.url):
            cursor = self.raw.cursor()
            cursor.executemany(translate(sql), parameters)
            return cursor

    def iterate(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        *,
        rows_per_fetch: int = ROWS_PER_FETCH,
    ) -> Iterator[Any]:
        """Yield the rows of a query without holding all of them in memory.

        Outside a transaction, they are read through a separate connection, since other statements may follow
        meanwhile.
        """
        if self.in_transaction:
            yield from self._iterate(sql, parameters, rows_per_fetch)
            return
        connection = PostgresConnection(self.url, read_only=self._read_only)
        try:
            connection.execute("BEGIN")
            connection.check_session()
            yield from connection._iterate(sql, parameters, rows_per_fetch)
        finally:
            connection.close()

    def _iterate(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any], rows_per_fetch: int) -> Iterator[Any]:
        cursor = self.raw.cursor(f"rows_{next(_numbers)}", binary=True)
        try:
            with translate_database_errors(self.url):
                cursor.itersize = rows_per_fetch
                cursor.execute(translate(sql), parameters)
                for row in cursor:  # noqa: UP028 - this would close the cursor, and raise the error of that
                    yield row
        finally:
            try:
                cursor.close()
            except psycopg.Error:  # the connection is lost: now this only marks the cursor as closed
                cursor.close()

    def run_script(self, script: str) -> None:
        """Execute several statements without parameters."""
        with translate_database_errors(self.url):
            self.raw.execute(script)

    def commit(self) -> None:
        """Commit the transaction."""
        with translate_database_errors(self.url):
            self.raw.commit()

    def rollback(self) -> None:
        """Roll the transaction back; a connection that was lost has none."""
        if not self.raw.closed:
            with translate_database_errors(self.url):
                self.raw.rollback()

    def interrupt(self) -> None:
        """End the statement that runs in another thread with an error."""
        self.raw.cancel()

    def close(self) -> None:
        """Close the connection; this also rolls back."""
        self.raw.close()


def build_parameters(url: PostgresUrl, argument: str = "archive") -> dict[str, Any]:
    """Return the parameters of a connection.

    Args:
        url: The URL.
        argument: Its name in the error.

    Raises:
        InvalidArgumentError: libpq cannot read the URL.
    """
    try:
        return _DEFAULTS | conninfo_to_dict(url.dsn)
    except psycopg.ProgrammingError:
        pass
    # Not libpq's error, which may contain the password.
    raise InvalidArgumentError(
        argument,
        "the URL of the database is not valid: write spaces and other special characters in the user name, the password"
        " and parameters as %20 and the like, and after the ? only parameters of libpq, such as sslmode",
    )


@lru_cache(1024)
def translate(sql: str) -> str:
    """Return a statement with the placeholders of psycopg, and with the workspace in each conflict target."""
    return _TOKEN.sub(_translate_token, sql)


def _translate_token(match: re.Match[str]) -> str:
    found = match[0]
    if found == "?":
        return "%s"
    if match[1]:
        return f"%({match[1]})s"
    if found.startswith("ON"):
        return f"{found}workspace, "
    return found.replace("%", "%%")


@contextmanager
def translate_database_errors(url: PostgresUrl) -> Iterator[None]:
    """Turn psycopg's errors into `ArchiveError`, which names the database, but no data."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise ArchiveBusyError(
            f"other processes have locked {str(url)!r} for {BUSY_TIMEOUT_SECS:g} s: try again later"
        ) from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise ArchiveError(f"{str(url)!r} is not a convai archive: {_describe(error)}") from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise ArchiveError(
            f"{str(url)!r} can only be read: {_describe(error)}. If it is a replica, use the address of its"
            " primary server"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise ArchiveError(f"the role of {str(url)!r} is not permitted to do this: {_describe(error)}") from error
    except psycopg.Error as error:
        if _is_connection_lost(error):
            is_refused = _is_refused(error)
            wrong = "the user, the password and the database" if is_refused else "the address, or try again later"
            problem = ArchiveConnectionError(f"{str(url)!r} cannot be reached: {_describe(error)}. Check {wrong}")
            problem.retryable = not is_refused
            raise problem from error
        raise ArchiveError(f"{str(url)!r}: {_describe(error)}") from error


def _is_connection_lost(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:  # from libpq, not from the server
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(("08", "57P", "53300", "25P03"))


def _is_refused(error: psycopg.Error) -> bool:
    """Return whether the server, or libpq, has rejected the parameters of a connection."""
    return error.sqlstate is None and any(phrase in str(error) for phrase in _REFUSALS)


def _describe(error: psycopg.Error) -> str:
    # Not the details, which quote values of rows.
    if error.diag.message_primary is None:  # from libpq
        return str(error).split("\n", 1)[0].strip()
    return " ".join(filter(None, [error.diag.message_primary, error.diag.message_hint]))
