"""Decide which workspaces are due."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from croniter import croniter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from convai_async.workers._database import Connection


async def defer_due(connection: Connection, defer: Callable[[str], Awaitable[object]]) -> None:
    """Queue a harvest of each workspace whose schedule has come since the last time, by the clock of the database.

    Times that were missed, because no worker was running, count once.

    Args:
        connection: A connection to the database.
        defer: Queues a harvest, unless the workspace waits in the queue already.
    """
    async with connection.transaction():
        cursor = await connection.execute(
            "SELECT name, schedule, scheduled_until, now() FROM convai.workspaces WHERE NOT paused"
            " FOR UPDATE SKIP LOCKED"
        )
        for name, schedule, since, now in await cursor.fetchall():
            if croniter(schedule, since, hash_id=name).get_next(datetime) <= now:
                await defer(name)
                await connection.execute(
                    "UPDATE convai.workspaces SET scheduled_until = %s WHERE name = %s", (now, name)
                )
