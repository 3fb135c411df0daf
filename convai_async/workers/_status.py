"""Read the state of workspaces, harvests and workers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from psycopg.rows import dict_row

from convai_async.workers._database import connect, parse_database
from convai_async.workers._queue import HARVEST_QUEUE, build_lock
from convai_async.workers._schedule import compute_next
from convai_async.workers._worker_name import WORKER_PREFIX

if TYPE_CHECKING:
    from convai_async.workers._database import Connection


class WorkspaceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a workspace.

    Attributes:
        name: The name.
        state: ``"running"``; ``"queued"`` until a worker is free; ``"delayed"`` until the next attempt; ``"paused"``;
            ``"failed"`` if the last harvest failed, and ``"idle"`` if not, until the next time of the schedule.
        worker: The machine and process id of the worker of the current harvest, or of the last one; None if there was
            none.
        started_at: When that harvest started.
        outcome: How that harvest ended: ``"complete"``, ``"incomplete"`` (some conversations could not be fetched),
            ``"stopped"`` (its worker was stopped, and another continues) or ``"failed"``. None while it runs, and if
            its worker is gone.
        error: Why the last harvest failed, or None.
        fetched: The number of conversations that harvests of the last 24 hours have fetched.
        complete_at: The start of the last complete harvest: everything until then is in the archive. None if there was
            none.
        behind_secs: The seconds since ``complete_at``, or None.
        next_at: The next attempt if the state is ``"delayed"``, otherwise the next time of the schedule; None if the
            workspace is paused.
    """

    name: str
    state: Literal["running", "queued", "delayed", "paused", "failed", "idle"]
    worker: str | None
    started_at: datetime | None
    outcome: str | None
    error: str | None
    fetched: int
    complete_at: datetime | None
    behind_secs: float | None
    next_at: datetime | None


class WorkersStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of all workspaces and workers.

    Attributes:
        workspaces: The workspaces, ordered by name.
        queued: The number of harvests that wait for a worker.
        delayed: The number of harvests that wait for their next attempt.
        running: The number of harvests that run.
        workers: The number of workers that are connected to the database.
    """

    workspaces: list[WorkspaceStatus]
    queued: int
    delayed: int
    running: int
    workers: int


_STATUS = """
SELECT workspace.name, workspace.schedule, workspace.paused, workspace.scheduled_until,
    last.worker, last.started_at, last.outcome, last.error,
    (SELECT coalesce(sum(fetched), 0)::bigint FROM convai.harvests AS recent
        WHERE recent.workspace = workspace.name AND recent.started_at > now() - interval '1 day') AS fetched,
    complete.started_at AS complete_at,
    extract(epoch FROM now() - complete.started_at)::float AS behind_secs,
    now() AS now
FROM convai.workspaces AS workspace
LEFT JOIN LATERAL (SELECT * FROM convai.harvests AS each WHERE each.workspace = workspace.name
    ORDER BY started_at DESC LIMIT 1) AS last ON true
LEFT JOIN LATERAL (SELECT * FROM convai.harvests AS each WHERE each.workspace = workspace.name AND outcome = 'complete'
    ORDER BY started_at DESC LIMIT 1) AS complete ON true
ORDER BY workspace.name
"""
_JOBS = """
SELECT lock, CASE WHEN bool_or(status = 'doing') THEN 'running'
    WHEN bool_or(scheduled_at > now()) THEN 'delayed' ELSE 'queued' END, max(scheduled_at)
FROM convai_queue.procrastinate_jobs
WHERE queue_name = %s AND status IN ('todo', 'doing') GROUP BY lock
"""
_WORKERS = """
SELECT count(DISTINCT application_name) FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, %s)
"""


async def read_status(database: str) -> WorkersStatus:
    """Return the state of all workspaces and workers.

    Raises:
        ArchiveError: The database cannot be reached, or no worker has prepared it.
        InvalidArgumentError: It is not a URL of a PostgreSQL database.
    """
    async with connect(parse_database(database)) as connection:
        cursor = await connection.execute(_JOBS, (HARVEST_QUEUE,))
        jobs = {lock: (state, scheduled_at) for lock, state, scheduled_at in await cursor.fetchall()}
        cursor = await connection.execute(_WORKERS, (WORKER_PREFIX,))
        (workers,) = await cursor.fetchone() or (0,)
        workspaces = [_build_status(row, jobs) for row in await _read_rows(connection)]
    states = [state for state, _ in jobs.values()]
    return WorkersStatus(
        workspaces=workspaces,
        queued=states.count("queued"),
        delayed=states.count("delayed"),
        running=states.count("running"),
        workers=workers,
    )


async def _read_rows(connection: Connection) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_STATUS)
        return await cursor.fetchall()


def _build_status(row: dict[str, Any], jobs: dict[str, Any]) -> WorkspaceStatus:
    name, paused = row["name"], row["paused"]
    rest = "paused" if paused else "failed" if row["outcome"] == "failed" else "idle"
    state, next_at = jobs.get(build_lock(name), (rest, None))
    if state != "delayed":
        next_at = compute_next(name, row["schedule"], row["scheduled_until"] or row["now"])
    return WorkspaceStatus(
        state=state,
        next_at=None if paused else next_at,
        **{
            field: row[field]
            for field in (
                "name",
                "worker",
                "started_at",
                "outcome",
                "error",
                "fetched",
                "complete_at",
                "behind_secs",
            )
        },
    )
