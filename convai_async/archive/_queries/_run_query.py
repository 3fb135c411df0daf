"""Run untrusted SQL: it can only read, and only for a limited time.

The connection is read-only, an authorizer permits only reads and harmless functions, and limits bound the time,
the rows and the size of values. SQLite applies them to the compiled statement, so the SQL text need not be checked.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.archive._errors import ArchiveError, translate_errors
from convai_async.archive._location import require_file
from convai_async.archive._sqlite._database import open_for_reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from threading import Event

    from convai_async.archive._location import ArchivePath, PostgresUrl

_MAX_VALUE_BYTES = 16 * 2**20
"""The longest text or BLOB, and the longest row; a conversation of this size has hours of speech."""

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: _MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

_INSTRUCTIONS_PER_CHECK = 10_000
"""How many instructions of its virtual machine SQLite runs before it checks `stop` again: some milliseconds."""

_FUNCTIONS = frozenset(
    """
    abs coalesce concat concat_ws format glob hex ifnull iif instr json json_array json_array_length json_each
    json_error_position json_extract json_group_array json_group_object json_insert json_object json_patch json_pretty
    json_quote json_remove json_replace json_set json_tree json_type json_valid length like likely likelihood lower
    ltrim max min nullif octet_length printf quote replace round rtrim sign substr substring trim typeof unhex unicode
    unlikely upper -> ->>
    date datetime julianday strftime time timediff unixepoch current_date current_time current_timestamp
    avg count group_concat string_agg sum total median percentile percentile_cont percentile_disc
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
    acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow power
    radians sin sinh sqrt tan tanh trunc
    match bm25 highlight snippet
    """.split()  # noqa: SIM905 - a list would be a page long
)
"""Every other function is refused: those that read files, load code or create huge values."""

_TABLE_FUNCTIONS = {"json_each", "json_tree"}
_SCHEMA_TABLES = {"sqlite_schema", "sqlite_master"}
_KEY_COLUMNS = {"key_salt", "key_fingerprint"}


class QueryError(ArchiveError):
    """A query is not valid SQL, is not permitted, or exceeded a limit."""


class QueryResult(msgspec.Struct, frozen=True):
    """The result of a query.

    Attributes:
        columns: The names of the columns.
        rows: The rows.
        truncated: Whether there are more rows than the limits allow.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool

    def __repr__(self) -> str:
        more = " or more" if self.truncated else ""
        return f"<QueryResult {len(self.rows):,}{more} rows: {', '.join(self.columns)}>"


def run_query(  # noqa: PLR0913 - keyword-only
    path: ArchivePath | PostgresUrl,
    sql: str,
    parameters: Sequence[Any] | dict[str, Any] = (),
    *,
    timeout_secs: float = 10.0,
    max_rows: int = 1000,
    max_bytes: int = 1_000_000,
    stop: Event | None = None,
) -> QueryResult:
    """Run an SQL query that cannot change the archive.

    Args:
        path: The archive, which has to be a file.
        sql: One SELECT statement. Other statements, and functions that do more than compute, are refused.
        parameters: The values of its placeholders.
        timeout_secs: The time in seconds after which the query is interrupted; 10 by default. SQLite does not look
            for that while it compiles, or in a function, which can take long for long text.
        max_rows: The maximum number of rows; 1,000 by default.
        max_bytes: No row is added to a result that is larger than this; 1 MB by default.
        stop: An event that interrupts the query when another thread sets it.

    Raises:
        InvalidArgumentError: The archive is a database.
        ArchiveError: The file does not exist, is not a convai archive, or has another version.
        QueryError: The query is not valid SQL, is not permitted, or exceeded a limit.
    """
    file, first = open_for_reading(require_file(path, "untrusted SQL can be limited to reading only in SQLite"))
    # The last connection to close removes the log, which a read-only one cannot: so another one stays open.
    with closing(first):
        tables = {name for (name,) in first.execute("SELECT name FROM sqlite_schema")} | _TABLE_FUNCTIONS
        _, connection = open_for_reading(file, read_only=True)
        with closing(connection), translate_errors(file), _translate_query_errors(timeout_secs):
            connection.text_factory = lambda text: text.decode(errors="replace")
            for category, limit in _LIMITS.items():
                connection.setlimit(category, limit)
            # Virtual tables are declared on first use, with statements that the authorizer would refuse.
            connection.execute("SELECT 1 FROM turns_search, json_each('0'), json_tree('0') LIMIT 0")
            if stop is not None:
                connection.set_progress_handler(stop.is_set, _INSTRUCTIONS_PER_CHECK)
            connection.set_authorizer(_Authorizer(tables | _SCHEMA_TABLES))
            with _interrupt_after(connection, timeout_secs):
                cursor = connection.execute(sql, parameters)
                columns = tuple(column for column, *_ in cursor.description or ())
                rows, truncated = _read(cursor, max_rows, max_bytes)
        return QueryResult(columns, rows, truncated)


class _Authorizer:
    """Decides what a statement may do, when SQLite compiles it."""

    def __init__(self, tables: set[str]) -> None:
        self._tables = tables

    def __call__(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if first == "archive" and second in _KEY_COLUMNS:
                return sqlite3.SQLITE_IGNORE  # reads as null
            # A column without a name stands for the rows of a table or subquery.
            case sqlite3.SQLITE_READ if first in self._tables or not second:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_FUNCTION if (second or "").lower() in _FUNCTIONS:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_PRAGMA if first == "data_version" and second is None:  # full-text search needs it
                return sqlite3.SQLITE_OK
            case _:
                return sqlite3.SQLITE_DENY


@contextmanager
def _interrupt_after(connection: sqlite3.Connection, secs: float) -> Iterator[None]:
    timer = Timer(secs, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # a connection that is closed cannot be interrupted


def _read(rows: Iterable[tuple[Any, ...]], max_rows: int, max_bytes: int) -> tuple[list[tuple[Any, ...]], bool]:
    kept: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        if len(kept) >= max_rows or size >= max_bytes:
            return kept, True
        kept.append(row)
        size += sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
    return kept, False


@contextmanager
def _translate_query_errors(timeout_secs: float) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the other bits say why
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CORRUPT}:
            raise  # about the file, not about the query
        advice = ""
        if code == sqlite3.SQLITE_INTERRUPT:
            advice = f" after {timeout_secs:g} s: read fewer rows"
        elif code == sqlite3.SQLITE_TOOBIG:
            advice = f" (more than {_MAX_VALUE_BYTES // 2**20} MiB): leave it out"
        elif "authoriz" in str(error):
            advice = ": only SELECT is permitted, with functions that only compute"
        raise QueryError(f"the query failed: {error}{advice}") from error
