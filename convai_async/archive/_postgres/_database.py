"""Create the schema in a database, bring it up to this version, and find a workspace in it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from convai_async.archive._contents import change_source
from convai_async.archive._errors import ArchiveError
from convai_async.archive._postgres._connection import PostgresConnection
from convai_async.archive._postgres._schema import build_schema
from convai_async.archive._schema import SCHEMA_VERSION
from convai_async.archive._sql import fetch_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.archive._location import PostgresUrl

_SCHEMA_LOCK = 0x43564149
"""The key of the advisory lock that is held while the schema is made or upgraded: "CVAI" in ASCII."""


def open_for_reading(url: PostgresUrl) -> PostgresConnection:
    """Open a workspace that exists.

    Raises:
        ArchiveConnectionError: The database cannot be reached.
        ArchiveError: It has no such workspace, or the schema of another version.
    """
    connection = PostgresConnection(url, read_only=True)
    with _close_on_error(connection):
        _check_version(connection)
        if not _has_workspace(connection):
            raise build_missing_error(url)
    return connection


def open_for_writing(url: PostgresUrl, source: str | None, *, create: bool) -> PostgresConnection:
    """Open a workspace; ``create`` makes it, and the schema, if they do not exist.

    Raises:
        ArchiveConnectionError: The database cannot be reached.
        ArchiveError: The workspace is of another service, or its schema is of a newer version.
    """
    connection = PostgresConnection(url, read_only=False)
    with _close_on_error(connection):
        if create and not _has_schema(connection):
            create_schema(connection)
        _check_version(connection)
        if not _has_workspace(connection):
            if not create:
                raise build_missing_error(url)
            connection.execute("INSERT INTO archive (source) VALUES (?) ON CONFLICT DO NOTHING", (source,))
        if source is not None and fetch_value(connection, "SELECT source FROM archive") != source:
            begin(connection)
            change_source(connection, url, source)
            connection.commit()
    return connection


def begin(connection: PostgresConnection) -> None:
    """Begin a transaction that writes, when those of others in this workspace have ended."""
    connection.execute("BEGIN")
    connection.execute("SELECT pg_advisory_xact_lock(?, hashtext(?))", (_SCHEMA_LOCK, connection.url.workspace))


def create_schema(connection: PostgresConnection) -> None:
    """Make the schema, unless another process has made it meanwhile."""
    connection.execute("BEGIN")
    try:
        connection.execute("SELECT pg_advisory_xact_lock(?)", (_SCHEMA_LOCK,))
        if not _has_schema(connection):
            connection.run_script(f"SET LOCAL search_path = convai; {build_schema()}")
            connection.execute("INSERT INTO convai.schema_version (version) VALUES (?)", (SCHEMA_VERSION,))
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def build_missing_error(url: PostgresUrl) -> ArchiveError:
    """Return the error for a workspace that does not exist."""
    return ArchiveError(f"there is no archive {str(url)!r}: create one with `convai-async harvest {url}`")


@contextmanager
def _close_on_error(connection: PostgresConnection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _has_schema(connection: PostgresConnection) -> bool:
    return bool(fetch_value(connection, "SELECT to_regclass('convai.schema_version') IS NOT NULL"))


def _has_workspace(connection: PostgresConnection) -> bool:
    return bool(fetch_value(connection, "SELECT EXISTS (SELECT 1 FROM archive)"))


def _check_version(connection: PostgresConnection) -> None:
    url = connection.url
    if not _has_schema(connection):
        raise build_missing_error(url)
    version = fetch_value(connection, "SELECT version FROM convai.schema_version")
    if version > SCHEMA_VERSION:
        raise ArchiveError(
            f"{str(url)!r} was made by a newer convai_async (schema {version}, this one knows {SCHEMA_VERSION}):"
            " upgrade with `pip install -U convai-async`"
        )
