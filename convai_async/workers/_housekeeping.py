"""Requeue the jobs of workers that have died or do not respond, and delete old jobs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from convai_async.workers._queue import NAMESPACE

if TYPE_CHECKING:
    from procrastinate import App

_logger = logging.getLogger("convai_async.workers")

_MAX_STALLS = 5
"""How many workers a job may crash, for example because it takes too much memory, before it waits for its schedule."""

# A new job takes the place of the stalled one, so that the worker of the stalled one, when it continues, cannot end
# the job of the worker that took it over: procrastinate ends jobs by their id. If a job with the same
# queueing lock is already in the queue, no new one is needed.
_REQUEUE = """
WITH stalled AS (
    DELETE FROM procrastinate_jobs AS job
    WHERE job.id = %(job_id)s AND job.status = 'doing' AND NOT EXISTS (
        SELECT FROM procrastinate_workers AS worker
        WHERE worker.id = job.worker_id AND worker.last_heartbeat >= now() - make_interval(secs => %(seconds)s)
    )
    RETURNING *
)
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, attempts)
SELECT queue_name, task_name, priority, lock, queueing_lock, args, attempts + 1 FROM stalled
WHERE attempts < %(max_stalls)s
ON CONFLICT DO NOTHING
"""
_DELETE_OLD = """
DELETE FROM procrastinate_jobs AS job
WHERE starts_with(task_name, %(tasks)s) AND status NOT IN ('todo', 'doing') AND NOT EXISTS (
    SELECT FROM procrastinate_events AS event WHERE event.job_id = job.id AND event.at > now() - interval '7 days'
)
"""


async def requeue_stalled_jobs(app: App, seconds: float) -> None:
    """Put the jobs of workers without a heartbeat back into the queue.

    Args:
        app: The application with the queue.
        seconds: How old a heartbeat may be.
    """
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=seconds):
        if job.task_name.startswith(f"{NAMESPACE}:"):  # not those of an application that has the same tables
            _logger.warning("the worker of %s has no heartbeat: another worker continues", job.call_string)
            values: dict[str, Any] = {"job_id": job.id, "seconds": seconds, "max_stalls": _MAX_STALLS}
            await app.connector.execute_query_async(_REQUEUE, **values)


async def delete_old_jobs(app: App) -> None:
    """Delete jobs that ended a week ago; procrastinate's own query sorts the events of all jobs."""
    await app.connector.execute_query_async(_DELETE_OLD, tasks=f"{NAMESPACE}:")
