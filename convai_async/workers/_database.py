"""Connect to the database of the workers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import psycopg
from psycopg.conninfo import conninfo_to_dict

from convai_async.archive import ArchiveError, PostgresUrl
from convai_async.archive._location import is_postgres_url
from convai_async.archive._postgres._connection import translate_database_errors
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

QUEUE_SCHEMA = "convai_queue"
"""The schema of procrastinate's tables, apart from those of an application that uses procrastinate too."""

_NO_TIMEOUTS = "-c statement_timeout=0 -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0"
"""A connection waits for jobs longer than the role may permit people to wait. Options in the URL are kept."""
_DEFAULTS = {
    "application_name": "convai-async",
    "connect_timeout": "10",
    "keepalives_idle": "10",  # otherwise it is noticed after two hours that the machine of the database is gone
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


class Database(PostgresUrl, frozen=True):
    """A database with workspaces. ``str()`` returns its URL without password and parameters."""

    def __str__(self) -> str:
        return super().__str__().partition("?")[0]


def parse_database(url: str) -> Database:
    """Parse the URL of a database.

    Raises:
        InvalidArgumentError: It is not the URL of a PostgreSQL database, or has the parameter ``workspace``.
    """
    if any(name == "workspace" for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)):
        raise InvalidArgumentError(
            "database",
            "must not have the parameter workspace, since workers harvest all workspaces of a database: leave it out",
        )
    return parse_archive_database(url)


def parse_archive_database(url: str) -> Database:
    """Parse the URL of an archive; the name of its workspace is left out.

    Raises:
        InvalidArgumentError: It is not the URL of a PostgreSQL database.
    """
    try:
        if is_postgres_url(url):
            database = Database.parse(url)
            conninfo_to_dict(database.dsn)
            return database
    except psycopg.ProgrammingError:  # its message may contain the password
        pass
    raise InvalidArgumentError(
        "database", "must be the URL of a PostgreSQL database, such as postgresql://user@host/database"
    )


def build_parameters(database: Database) -> dict[str, Any]:
    """Return the parameters of a connection."""
    parameters = _DEFAULTS | conninfo_to_dict(database.dsn)
    return parameters | {"options": f"{_NO_TIMEOUTS} {parameters.get('options', '')}".strip()}


def build_queue_parameters(database: Database) -> dict[str, Any]:
    """Return the parameters of a connection to the queue."""
    parameters = build_parameters(database)
    parameters["options"] += f" -c search_path={QUEUE_SCHEMA}"
    return parameters


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[Connection]:
    """Open a connection in which each statement is a transaction.

    Raises:
        ArchiveConnectionError: The database cannot be reached, or the connection was lost.
        ArchiveError: A statement in the block failed.
    """
    with translate_database_errors(database):
        try:
            async with await psycopg.AsyncConnection.connect(**build_parameters(database), autocommit=True) as opened:
                await opened.execute("SET default_transaction_isolation = 'read committed'")
                yield opened
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise ArchiveError(
                f"{str(database)!r} has no workspaces: add one with `convai-async workspaces add`"
            ) from error
