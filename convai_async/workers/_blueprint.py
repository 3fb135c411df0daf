"""The tasks of the workers, as a blueprint of procrastinate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from procrastinate import Blueprint, JobContext

from convai_async._support.validate import validate_integer
from convai_async.harvest import open_workspace_client
from convai_async.harvest._workspace_harvest import ignore_progress
from convai_async.workers._database import build_parameters, connect
from convai_async.workers._harvest_job import HarvestJobs
from convai_async.workers._housekeeping import delete_old_jobs, requeue_stalled_jobs
from convai_async.workers._queue import HARVEST_QUEUE, HARVEST_TASK, HOUSEKEEPING_QUEUE, defer_harvest
from convai_async.workers._runs import delete_old_runs
from convai_async.workers._schedule import defer_due

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from convai_async.client import ConvAIClient
    from convai_async.harvest import Workspace, WorkspaceReport

DEFAULT_CONCURRENCY = 128
DEFAULT_STALLED_SECS = 30.0


def create_blueprint(  # noqa: PLR0913 - keyword-only settings
    database: str,
    *,
    max_concurrency: int = DEFAULT_CONCURRENCY,
    stalled_secs: float = DEFAULT_STALLED_SECS,
    open_client: Callable[[Workspace], AbstractAsyncContextManager[ConvAIClient]] = open_workspace_client,
    progress: Callable[[WorkspaceReport], None] | None = None,
    stop: anyio.Event | None = None,
) -> Blueprint:
    """Return the tasks that harvest workspaces, for an application of procrastinate.

    Add them as ``app.add_tasks_from(create_blueprint("postgresql://…"), namespace="convai")``.

    Args:
        database: The URL of the database with the settings of the workspaces.
        max_concurrency: The maximum number of requests in flight of a key, 128 by default.
        stalled_secs: How old the heartbeat of a worker may be, in seconds, before others continue its jobs; 30 by
            default. It must be longer than the worker's ``update_heartbeat_interval``.
        open_client: Opens the client of a workspace, for example with a key from a vault. By default
            `convai_async.harvest.open_workspace_client`.
        progress: A function that is called in the event loop with a workspace's report whenever it has changed.
        stop: An event that ends running harvests early when it is set; they are queued again.

    Raises:
        InvalidArgumentError: A value is invalid.
    """
    validate_integer("max_concurrency", max_concurrency, 1)
    build_parameters(database)
    jobs = HarvestJobs(
        database,
        max_concurrency=max_concurrency,
        open_client=open_client,
        progress=progress or ignore_progress,
        stop=stop or anyio.Event(),
    )
    blueprint = Blueprint()

    @blueprint.task(name=HARVEST_TASK, queue=HARVEST_QUEUE, pass_context=True)
    async def harvest_workspace(context: JobContext, name: str, attempt: int = 0) -> None:
        await jobs.run(context, name, attempt)

    # These have a queueing lock and no lock: a lock would be held by a job whose worker has died, for example the one
    # that requeues such jobs.
    @blueprint.periodic(cron=f"*/{_compute_requeue_secs(stalled_secs)} * * * * *")
    @blueprint.task(name="requeue", queue=HOUSEKEEPING_QUEUE, queueing_lock="convai requeue", pass_context=True)
    async def requeue(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 - each periodic task gets it
        await requeue_stalled_jobs(context.app, stalled_secs)

    @blueprint.periodic(cron="*/15 * * * * *")
    @blueprint.task(name="schedule", queue=HOUSEKEEPING_QUEUE, queueing_lock="convai schedule", pass_context=True)
    async def schedule(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 - each periodic task gets it
        async with connect(database) as connection:
            await defer_due(connection, lambda name: defer_harvest(context.app, name))

    @blueprint.periodic(cron="17 * * * *")
    @blueprint.task(name="clean_up", queue=HOUSEKEEPING_QUEUE, queueing_lock="convai clean up", pass_context=True)
    async def clean_up(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 - each periodic task gets it
        await delete_old_jobs(context.app)
        async with connect(database) as connection:
            await delete_old_runs(connection)

    return blueprint


def _compute_requeue_secs(stalled_secs: float) -> int:
    """Return how often to look for stalled jobs, in seconds of the cron expression."""
    return min(max(round(stalled_secs / 3), 1), 30)
