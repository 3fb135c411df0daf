"""Connect to the database of the workers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from convai_async.archive import ArchiveError
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

QUEUE_SCHEMA = "convai_queue"
"""The schema of procrastinate's tables, apart from those of an application that uses procrastinate too."""

_DEFAULTS = {
    "application_name": "convai-async worker",
    "connect_timeout": "10",
    "keepalives_idle": "10",  # otherwise a database whose machine is gone is noticed after two hours
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def build_parameters(database: str, *, search_path: str = "") -> dict[str, Any]:
    """Return the parameters of a connection.

    Args:
        database: The URL of the database.
        search_path: The schemas in which names are looked up; empty for the server's setting.

    Raises:
        InvalidArgumentError: It is not a URL of a PostgreSQL database.
    """
    problem = "must be the URL of a PostgreSQL database, such as postgresql://user@host/database"
    if not database.startswith(("postgresql://", "postgres://")):
        raise InvalidArgumentError("database", problem)
    try:
        parameters = _DEFAULTS | conninfo_to_dict(database)
    except psycopg.ProgrammingError:  # its message may contain the password
        raise InvalidArgumentError("database", problem) from None
    if search_path:
        parameters["options"] = f"{parameters.get('options', '')} -c search_path={search_path}".strip()
    return parameters


@asynccontextmanager
async def connect(database: str) -> AsyncIterator[Connection]:
    """Open a connection in which each statement is a transaction.

    Raises:
        ArchiveError: The database cannot be reached, or a statement in the block failed.
        InvalidArgumentError: It is not a URL of a PostgreSQL database.
    """
    parameters = build_parameters(database)
    try:
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
            yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise ArchiveError(
            f"database {parameters.get('dbname', '')!r} has no workspaces: add one with `convai-async workspaces add`"
        ) from error
    except psycopg.Error as error:
        raise ArchiveError(f"database {parameters.get('dbname', '')!r}: {str(error).strip()}") from error
