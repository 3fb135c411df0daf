"""The settings of the workspaces that workers harvest: the table ``convai.workspaces``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from psycopg import sql
from psycopg.rows import dict_row

from convai_async.archive import PostgresUrl
from convai_async.archive._location import is_postgres_url
from convai_async.archive._postgres._connection import build_parameters
from convai_async.errors import ConfigurationError
from convai_async.harvest import Workspace
from convai_async.harvest._workspaces import load_workspaces, validate_workspaces
from convai_async.workers._database import connect, parse_database
from convai_async.workers._schedule import is_valid_schedule
from convai_async.workers._schema import prepare_database

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from convai_async.workers._database import Connection, Database


class ScheduledWorkspace(Workspace, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workspace that workers harvest.

    Attributes:
        archive: The archive; empty (default) for the database of the workers.
        schedule: When to harvest it: a cron expression in UTC, in which ``H`` is a number that depends on the name; by
            default ``"H * * * *"``, once an hour.
        paused: Whether workers leave it out for now; False by default.
    """

    archive: str = ""
    schedule: str = "H * * * *"
    paused: bool = False


_FIELDS = ScheduledWorkspace.__struct_fields__
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, _FIELDS))


async def add_workspaces(database: str, workspaces: Iterable[ScheduledWorkspace]) -> None:
    """Add workspaces, all of them or none, and create the tables of the workers if they do not exist.

    Workers start to harvest them within 20 seconds.

    Args:
        database: The URL of the database.
        workspaces: The workspaces.

    Raises:
        ArchiveError: The database cannot be reached, or the role may not change it.
        ConfigurationError: A workspace exists already, or a field is invalid or contradicts another workspace. The
            message names the workspace and the field.
        InvalidArgumentError: The URL is not valid.
    """
    added = list(workspaces)
    await prepare_database(database)
    parsed = parse_database(database)
    async with connect(parsed) as connection, connection.transaction():
        await _lock(connection)
        existing = await fetch_workspaces(connection)
        if names := {each.name for each in existing} & {each.name for each in added}:
            raise ConfigurationError(
                f"the workspace {min(names)!r} exists already: `convai-async workspaces change` changes its settings"
            )
        _validate([*existing, *added], parsed)
        insert = sql.SQL("INSERT INTO convai.workspaces ({}) VALUES ({})").format(
            _COLUMNS, sql.SQL(", ").join(map(sql.Placeholder, _FIELDS))
        )
        for workspace in added:
            await connection.execute(insert, _to_row(workspace))


def read_scheduled_workspaces(path: str | os.PathLike[str]) -> list[ScheduledWorkspace]:
    """Read workspaces from a TOML file, as `read_workspaces` does; the fields are those of `ScheduledWorkspace`.

    Args:
        path: The file.

    Raises:
        ConfigurationError: The file cannot be read, or a field is unknown, missing or of the wrong type.
    """
    return load_workspaces(path, ScheduledWorkspace)


async def change_workspace(database: str, name: str, **changes: object) -> None:
    """Change fields of a workspace, from its next harvest on.

    Args:
        database: The URL of the database.
        name: The name of the workspace.
        **changes: The new values, by the names of fields.

    Raises:
        ArchiveError: The database cannot be reached, or the role may not change it.
        ConfigurationError: The workspace does not exist, or a field is invalid.
        InvalidArgumentError: The URL is not valid.
    """
    parsed = parse_database(database)
    async with connect(parsed) as connection, connection.transaction():
        await _lock(connection)
        workspaces = {each.name: each for each in await fetch_workspaces(connection)}
        if name not in workspaces:
            raise _build_unknown_error(name)
        workspaces[name] = msgspec.structs.replace(workspaces[name], **changes)
        _validate(list(workspaces.values()), parsed)
        update = sql.SQL("UPDATE convai.workspaces SET ({}) = ROW({}) WHERE name = %(name)s").format(
            _COLUMNS, sql.SQL(", ").join(map(sql.Placeholder, _FIELDS))
        )
        await connection.execute(update, _to_row(workspaces[name]))


async def remove_workspace(database: str, name: str) -> None:
    """Remove the settings of a workspace. Its archive stays as it is, and a harvest that runs is not stopped.

    Args:
        database: The URL of the database.
        name: The name of the workspace.

    Raises:
        ArchiveError: The database cannot be reached, or the role may not change it.
        ConfigurationError: The workspace does not exist.
        InvalidArgumentError: The URL is not valid.
    """
    async with connect(parse_database(database)) as connection:
        cursor = await connection.execute("DELETE FROM convai.workspaces WHERE name = %s", (name,))
    if not cursor.rowcount:
        raise _build_unknown_error(name)


async def list_workspaces(database: str) -> list[ScheduledWorkspace]:
    """Return the workspaces, ordered by name.

    Args:
        database: The URL of the database.

    Raises:
        ArchiveError: The database cannot be reached, or no workspace was added yet.
        InvalidArgumentError: The URL is not valid.
    """
    async with connect(parse_database(database)) as connection:
        return await fetch_workspaces(connection)


async def fetch_workspaces(connection: Connection) -> list[ScheduledWorkspace]:
    """Return the workspaces, ordered by name."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql.SQL("SELECT {} FROM convai.workspaces ORDER BY name").format(_COLUMNS))
        return [_from_row(row) for row in await cursor.fetchall()]


async def find_workspace(connection: Connection, name: str) -> ScheduledWorkspace | None:
    """Return a workspace, or None if there is none with this name."""
    return next((each for each in await fetch_workspaces(connection) if each.name == name), None)


def _build_unknown_error(name: str) -> ConfigurationError:
    """Return the error for a name that no workspace has."""
    return ConfigurationError(
        f"there is no workspace {name!r}: `convai-async workspaces list DATABASE` shows the names"
    )


async def _lock(connection: Connection) -> None:
    """Let no other transaction change workspaces, since each of them is compared with all others."""
    await connection.execute("LOCK TABLE convai.workspaces IN SHARE ROW EXCLUSIVE MODE")


def set_archive(workspace: ScheduledWorkspace, database: Database) -> ScheduledWorkspace:
    """Return a workspace with its archive: by default, the database of the workers."""
    return msgspec.structs.replace(workspace, archive=workspace.archive or database.dsn)


def _validate(workspaces: list[ScheduledWorkspace], database: Database) -> None:
    validate_workspaces([set_archive(each, database) for each in workspaces])
    for workspace in workspaces:
        if problem := _find_problem(workspace):
            raise ConfigurationError(f"workspace {workspace.name!r}: {problem}")


def _find_problem(workspace: ScheduledWorkspace) -> str:
    """Return the first problem with a setting that only workers check; empty if there is none."""
    if not is_valid_schedule(workspace.name, workspace.schedule):
        return 'schedule: must be a cron expression of five fields, such as "0 6 * * *"'
    paths = {"archive": workspace.archive, "recordings": workspace.recordings}
    if not workspace.key.startswith("env:"):
        paths["key"] = workspace.key.removeprefix("file:")
    for field, path in paths.items():
        if path and "://" not in path and not Path(path).is_absolute():
            return f"{field}: the path must be absolute, since workers run in different folders"
    archive = workspace.archive
    if is_postgres_url(archive) and "password" in build_parameters(PostgresUrl.parse(archive)):
        return "archive: must not contain a password: let workers read it from PGPASSWORD or ~/.pgpass"
    return ""


def _to_row(workspace: ScheduledWorkspace) -> dict[str, object]:
    return msgspec.structs.asdict(workspace) | {"agents": list(workspace.agents)}


def _from_row(row: dict[str, object]) -> ScheduledWorkspace:
    return msgspec.convert(row, ScheduledWorkspace)
