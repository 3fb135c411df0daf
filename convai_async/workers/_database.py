"""Connect to the database of the workers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import psycopg

from convai_async.archive import ArchiveError, PostgresUrl
from convai_async.archive._location import is_postgres_url
from convai_async.archive._postgres._connection import build_parameters, translate_database_errors
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

QUEUE_SCHEMA = "convai_queue"
"""The schema of procrastinate's tables, apart from those of an application that uses procrastinate too."""

_APPLICATION = {"application_name": "convai-async"}
_NO_TIMEOUTS = "-c statement_timeout=0 -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0"
"""A connection waits for jobs longer than the role may permit people to wait. Options in the URL are kept."""


class Database(PostgresUrl, frozen=True):
    """A database with workspaces. ``str()`` returns its URL without password and parameters."""

    def __str__(self) -> str:
        return super().__str__().partition("?")[0]


def parse_database(url: str) -> Database:
    """Parse the URL of a database.

    Raises:
        InvalidArgumentError: It is not the URL of a PostgreSQL database, or has the parameter ``workspace``.
    """
    if not is_postgres_url(url):
        raise InvalidArgumentError(
            "database", "must be the URL of a PostgreSQL database, such as postgresql://user@host/database"
        )
    if any(name == "workspace" for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)):
        raise InvalidArgumentError(
            "database",
            "must not have the parameter workspace, since workers harvest all workspaces of a database: leave it out",
        )
    database = Database.parse(url)
    build_parameters(database, "database")
    return database


def build_queue_parameters(database: Database) -> dict[str, Any]:
    """Return the parameters of a connection to the queue."""
    parameters = _build_connection_parameters(database)
    parameters["options"] += f" -c search_path={QUEUE_SCHEMA}"
    return parameters


def _build_connection_parameters(database: Database) -> dict[str, Any]:
    parameters = _APPLICATION | build_parameters(database)
    return parameters | {"options": f"{_NO_TIMEOUTS} {parameters.get('options', '')}".strip()}


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[Connection]:
    """Open a connection in which each statement is a transaction.

    Raises:
        ArchiveConnectionError: The database cannot be reached, or the connection was lost.
        ArchiveError: A statement in the block failed.
    """
    with translate_database_errors(database):
        try:
            parameters = _build_connection_parameters(database)
            async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as opened:
                await opened.execute("SET default_transaction_isolation = 'read committed'")
                yield opened
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise ArchiveError(
                f"{str(database)!r} has no workspaces: add one with `convai-async workspaces add`"
            ) from error
