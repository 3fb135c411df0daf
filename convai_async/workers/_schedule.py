"""Decide which workspaces are due."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from croniter import croniter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from convai_async.workers._database import Connection

_CRON_FIELDS = 5
"""Minute, hour, day, month and day of the week: the queue is not for harvests every second."""


async def defer_due(connection: Connection, defer: Callable[[str], Awaitable[object]]) -> None:
    """Queue a harvest of each workspace that is new, or that was due since the last time.

    The clock is that of the database. Several times that passed while no worker was running count as one.

    Args:
        connection: A connection to the database.
        defer: Queues a harvest, unless the workspace is in the queue already.
    """
    cursor = await connection.execute(
        "SELECT name, schedule, scheduled_until, now() FROM convai.workspaces WHERE NOT paused ORDER BY name"
    )
    for name, schedule, since, now in await cursor.fetchall():
        if since is None or compute_next(name, schedule, since) <= now:
            await defer(name)
            await connection.execute("UPDATE convai.workspaces SET scheduled_until = %s WHERE name = %s", (now, name))


def compute_next(name: str, schedule: str, since: datetime) -> datetime:
    """Return the first time of a workspace's schedule after a time."""
    following: datetime = croniter(schedule, since, hash_id=name).get_next(datetime)
    return following


def is_valid_schedule(name: str, schedule: str) -> bool:
    """Return whether a text is a cron expression of five fields, or a name such as ``@daily``."""
    is_by_minute = schedule.startswith("@") or len(schedule.split()) == _CRON_FIELDS
    return is_by_minute and croniter.is_valid(schedule, hash_id=name)
