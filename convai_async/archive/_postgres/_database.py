"""Create the schema in a database, bring it up to this version, and find a workspace in it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from convai_async.archive._contents import change_source
from convai_async.archive._errors import ArchiveError
from convai_async.archive._location import format_command
from convai_async.archive._postgres._connection import PostgresConnection
from convai_async.archive._postgres._migrations import MIGRATIONS
from convai_async.archive._postgres._rights import grant_rights, read_rights
from convai_async.archive._postgres._schema import build_schema, build_views, drop_views
from convai_async.archive._schema._tables import SCHEMA_VERSION
from convai_async.archive._sql import close_on_error, fetch_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    with close_on_error(connection):
        version = _check_version(connection)
        if version < SCHEMA_VERSION:
            raise ArchiveError(
                f"{str(url)!r} was made by an older convai_async (schema {version}, this one reads {SCHEMA_VERSION}):"
                f" the next `{format_command('harvest', url)}` brings it up to date"
            )
        if not _has_workspace(connection):
            raise _build_missing_error(url, _find_workspaces(connection))
    return connection


def open_for_writing(url: PostgresUrl, source: str | None, *, create: bool) -> PostgresConnection:
    """Open a workspace; ``create`` makes it, and the schema, if they do not exist.

    Raises:
        ArchiveConnectionError: The database cannot be reached.
        ArchiveError: The workspace is of another service, or its schema is of a newer version.
    """
    connection = PostgresConnection(url, read_only=False)
    with close_on_error(connection):
        _prepare_schema(connection, create=create)
        if not _has_workspace(connection):
            if not create:
                raise _build_missing_error(url, _find_workspaces(connection))
            connection.execute("INSERT INTO archive (source) VALUES (?) ON CONFLICT DO NOTHING", (source,))
        if source is not None and fetch_value(connection, "SELECT source FROM archive") != source:
            begin(connection)
            change_source(connection, url, source)
            connection.commit()
    return connection


def prepare_schema(url: PostgresUrl) -> None:
    """Create the schema if it does not exist, and bring it up to this version.

    Raises:
        ArchiveConnectionError: The database cannot be reached.
        ArchiveError: The schema is of a newer version, or the role may not create it.
    """
    connection = PostgresConnection(url, read_only=False)
    try:
        _prepare_schema(connection, create=True)
    finally:
        connection.close()


def _prepare_schema(connection: PostgresConnection, *, create: bool) -> None:
    if create and not _has_schema(connection):
        _change_schema(connection, _create_schema)
    if _check_version(connection) < SCHEMA_VERSION:
        _change_schema(connection, _upgrade_schema)


def begin(connection: PostgresConnection) -> None:
    """Begin a transaction that writes, when those of others in this workspace have ended."""
    connection.execute("BEGIN")
    try:
        connection.check_session()
        connection.execute("SELECT pg_advisory_xact_lock(?, hashtext(?))", (_SCHEMA_LOCK, connection.url.workspace))
    except BaseException:
        connection.rollback()
        raise


def upgrade(url: PostgresUrl) -> bool:
    """Bring the schema up to date, and return whether that was necessary."""
    connection = PostgresConnection(url, read_only=False)
    with closing(connection):
        is_due = _has_schema(connection) and _check_version(connection) < SCHEMA_VERSION
        if is_due:
            _change_schema(connection, _upgrade_schema)
        return is_due


def _build_missing_error(url: PostgresUrl, present: Sequence[str] = ()) -> ArchiveError:
    """Return the error for a workspace that does not exist; ``present`` are workspaces that do."""
    command = format_command("harvest", url)
    others = f" (it has {', '.join(map(repr, present))})" if present else ""
    return ArchiveError(f"there is no archive {str(url)!r}{others}: create one with `{command}`")


def _has_schema(connection: PostgresConnection) -> bool:
    return bool(fetch_value(connection, "SELECT to_regclass('convai.schema_version') IS NOT NULL"))


def _has_workspace(connection: PostgresConnection) -> bool:
    # With the schema: without a right on it, other names mean the tables of all workspaces.
    return bool(fetch_value(connection, "SELECT EXISTS (SELECT 1 FROM convai_workspace.archive)"))


def _find_workspaces(connection: PostgresConnection) -> list[str]:
    query = "SELECT workspace FROM convai.archive ORDER BY workspace LIMIT 10"
    return [workspace for (workspace,) in connection.execute(query)]


def _check_version(connection: PostgresConnection) -> int:
    url = connection.url
    if not _has_schema(connection):
        raise _build_missing_error(url)
    row = connection.execute("SELECT version FROM convai.schema_version").fetchone()
    if row is None or not isinstance(row[0], int):
        raise ArchiveError(
            f"the schema convai in {str(url)!r} does not belong to a convai archive: choose another database"
        )
    version = row[0]
    if version > SCHEMA_VERSION:
        raise ArchiveError(
            f"{str(url)!r} was made by a newer convai_async (schema {version}, this one knows {SCHEMA_VERSION}):"
            " upgrade with `pip install -U convai-async`"
        )
    return version


def _change_schema(connection: PostgresConnection, change: Callable[[PostgresConnection], None]) -> None:
    """Create or upgrade the schema in one transaction, while other processes wait."""
    connection.execute("BEGIN")
    try:
        connection.execute("SELECT pg_advisory_xact_lock(?)", (_SCHEMA_LOCK,))
        connection.execute("SET LOCAL search_path = convai")
        change(connection)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _create_schema(connection: PostgresConnection) -> None:
    if not _has_schema(connection):  # another process may have created it since
        encoding = fetch_value(connection, "SHOW server_encoding")
        if encoding != "UTF8":
            raise ArchiveError(
                f"the database of {str(connection.url)!r} has the encoding {encoding}: create one with"
                " `createdb --encoding UTF8 --template template0`"
            )
        connection.run_script(f"{build_schema()}\n{build_views()}")
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (SCHEMA_VERSION,))


def _upgrade_schema(connection: PostgresConnection) -> None:
    version = _check_version(connection)
    rights = read_rights(connection)
    connection.run_script(drop_views())
    for older in range(version, SCHEMA_VERSION):
        connection.run_script(MIGRATIONS[older])
    connection.run_script(build_views())
    grant_rights(connection, rights)
    connection.execute("UPDATE schema_version SET version = ?", (SCHEMA_VERSION,))
