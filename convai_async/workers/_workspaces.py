"""The settings of the workspaces that workers harvest: the table ``convai.workspaces``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from croniter import croniter
from psycopg import sql
from psycopg.rows import dict_row

from convai_async.errors import ConfigurationError
from convai_async.harvest import Workspace
from convai_async.harvest._workspaces import validate_workspaces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convai_async.workers._database import Connection


class ScheduledWorkspace(Workspace, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workspace that workers harvest.

    Attributes:
        archive: The archive; empty (default) for the database of the workers.
        schedule: When to harvest it: a cron expression in UTC, in which ``H`` is a number that depends on the name; by
            default ``"H * * * *"``, once an hour.
        paused: Whether it is not harvested for now; False by default.
    """

    archive: str = ""
    schedule: str = "H * * * *"
    paused: bool = False


_FIELDS = ScheduledWorkspace.__struct_fields__
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, _FIELDS))


async def add_workspaces(connection: Connection, workspaces: Iterable[ScheduledWorkspace]) -> None:
    """Add workspaces; all of them or none.

    Raises:
        ConfigurationError: A field is invalid, or contradicts another workspace. The message names the workspace and
            the field.
    """
    added = list(workspaces)
    async with connection.transaction():
        await _lock(connection)
        _validate([*await list_workspaces(connection), *added])
        insert = sql.SQL("INSERT INTO convai.workspaces ({}) VALUES ({})").format(
            _COLUMNS, sql.SQL(", ").join(map(sql.Placeholder, _FIELDS))
        )
        for workspace in added:
            await connection.execute(insert, _to_row(workspace))


async def change_workspace(connection: Connection, name: str, **changes: object) -> None:
    """Change fields of a workspace.

    Raises:
        ConfigurationError: There is no such workspace, or a field is invalid.
    """
    async with connection.transaction():
        await _lock(connection)
        workspaces = {each.name: each for each in await list_workspaces(connection)}
        if name not in workspaces:
            raise build_unknown_error(name)
        workspaces[name] = msgspec.structs.replace(workspaces[name], **changes)
        _validate(list(workspaces.values()))
        update = sql.SQL("UPDATE convai.workspaces SET ({}) = ROW({}) WHERE name = %(name)s").format(
            _COLUMNS, sql.SQL(", ").join(map(sql.Placeholder, _FIELDS))
        )
        await connection.execute(update, _to_row(workspaces[name]))


async def list_workspaces(connection: Connection) -> list[ScheduledWorkspace]:
    """Return the workspaces, ordered by name."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql.SQL("SELECT {} FROM convai.workspaces ORDER BY name").format(_COLUMNS))
        return [_from_row(row) for row in await cursor.fetchall()]


async def find_workspace(connection: Connection, name: str) -> ScheduledWorkspace | None:
    """Return a workspace, or None if there is none with this name."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql.SQL("SELECT {} FROM convai.workspaces WHERE name = %s").format(_COLUMNS), (name,))
        row = await cursor.fetchone()
    return None if row is None else _from_row(row)


async def remove_workspace(connection: Connection, name: str) -> None:
    """Remove a workspace; its archive stays as it is.

    Raises:
        ConfigurationError: There is no such workspace.
    """
    cursor = await connection.execute("DELETE FROM convai.workspaces WHERE name = %s", (name,))
    if not cursor.rowcount:
        raise build_unknown_error(name)


def build_unknown_error(name: str) -> ConfigurationError:
    """Return the error for a name that no workspace has."""
    return ConfigurationError(f"there is no workspace {name!r}: `convai-async workspaces list` shows the names")


async def _lock(connection: Connection) -> None:
    """Let no other transaction change workspaces, since each of them is compared with all others."""
    await connection.execute("LOCK TABLE convai.workspaces IN SHARE ROW EXCLUSIVE MODE")


def _validate(workspaces: list[ScheduledWorkspace]) -> None:
    validate_workspaces([msgspec.structs.replace(each, archive=each.archive or each.name) for each in workspaces])
    for workspace in workspaces:
        problem = ""
        if not croniter.is_valid(workspace.schedule, hash_id=workspace.name):
            problem = 'schedule: must be a cron expression, such as "0 6 * * *"'
        elif workspace.key.startswith("file:") and not workspace.key.startswith("file:/"):
            problem = "key: the path must be absolute, since workers run in different folders"
        if problem:
            raise ConfigurationError(f"workspace {workspace.name!r}: {problem}")


def _to_row(workspace: ScheduledWorkspace) -> dict[str, object]:
    return msgspec.structs.asdict(workspace) | {"agents": list(workspace.agents)}


def _from_row(row: dict[str, object]) -> ScheduledWorkspace:
    return msgspec.convert(row, ScheduledWorkspace)
