"""The tasks of the workers, as a blueprint of procrastinate."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from procrastinate import App, Blueprint, JobContext

from convai_async._support.validate import validate_integer
from convai_async.harvest import open_workspace_client
from convai_async.harvest._workspace_harvest import ignore_progress
from convai_async.workers._database import connect, parse_database
from convai_async.workers._harvest_job import HarvestJobs
from convai_async.workers._harvests_table import delete_old_runs
from convai_async.workers._housekeeping import delete_old_jobs, requeue_stalled_jobs
from convai_async.workers._queue import (
    HARVEST_QUEUE,
    HARVEST_TASK,
    HOUSEKEEPING_QUEUE,
    PROCESS_TASK,
    build_step_queue,
    defer_harvest,
)
from convai_async.workers._schedule import defer_due
from convai_async.workers._step_jobs import StepJobs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from convai_async.client import ConvAIClient
    from convai_async.harvest import Workspace, WorkspaceReport
    from convai_async.steps import Step

_logger = logging.getLogger("convai_async.workers")

DEFAULT_CONCURRENCY = 128
DEFAULT_STALLED_SECS = 30.0


def create_blueprint(  # noqa: PLR0913 - keyword-only settings
    database: str,
    *,
    max_concurrency: int = DEFAULT_CONCURRENCY,
    stalled_secs: float = DEFAULT_STALLED_SECS,
    open_client: Callable[[Workspace], AbstractAsyncContextManager[ConvAIClient]] = open_workspace_client,
    steps: Iterable[Step[Any]] = (),
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
        steps: Steps to run on the archives in the database, for example from `convai_async.steps.load_steps`.
        progress: A function that is called in the event loop with a workspace's report whenever it has changed.
        stop: An event that ends running harvests early when it is set; they are queued again.

    Raises:
        InvalidArgumentError: A value is invalid.
    """
    validate_integer("max_concurrency", max_concurrency, 1)
    parsed = parse_database(database)
    stop = stop or anyio.Event()
    jobs = HarvestJobs(
        parsed,
        max_concurrency=max_concurrency,
        open_client=open_client,
        progress=progress or ignore_progress,
        stop=stop,
    )
    blueprint = Blueprint()

    @blueprint.task(name=HARVEST_TASK, queue=HARVEST_QUEUE, pass_context=True)
    async def harvest_workspace(context: JobContext, name: str, attempt: int = 0) -> None:
        _log_end_errors(context)
        await jobs.run(context, name, attempt)

    # These have a queueing lock and no lock: a lock would be held by a job whose worker has died, for example the one
    # that requeues such jobs. The last field of their times is the second.
    def housekeeping(name: str, cron: str) -> Callable[[Callable[[App], Awaitable[None]]], None]:
        def add(work: Callable[[App], Awaitable[None]]) -> None:
            @blueprint.periodic(cron=cron)
            @blueprint.task(
                name=name, queue=HOUSEKEEPING_QUEUE, queueing_lock=f"{HOUSEKEEPING_QUEUE} {name}", pass_context=True
            )
            async def run(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 - each periodic task gets it
                _log_end_errors(context)
                await work(context.app)

        return add

    @housekeeping("requeue", f"* * * * * */{_compute_requeue_secs(stalled_secs)}")
    async def requeue(app: App) -> None:
        await requeue_stalled_jobs(app, stalled_secs)

    @housekeeping("schedule", "* * * * * */15")
    async def schedule(app: App) -> None:
        async with connect(parsed) as connection:
            await defer_due(connection, partial(defer_harvest, app))

    @housekeeping("clean_up", "17 * * * *")
    async def clean_up(app: App) -> None:
        await delete_old_jobs(app)
        async with connect(parsed) as connection:
            await delete_old_runs(connection)

    _add_steps(blueprint, StepJobs(parsed, steps, stop))
    return blueprint


def _add_steps(blueprint: Blueprint, jobs: StepJobs) -> None:
    """Add the tasks that run steps."""

    @blueprint.task(name=PROCESS_TASK, pass_context=True)
    async def process(context: JobContext, step: str, workspace: str, ids: list[str]) -> None:
        _log_end_errors(context)
        await jobs.process(step, workspace, ids)

    @blueprint.task(name="queue_step", pass_context=True)
    async def queue_step(context: JobContext, timestamp: int, step: str) -> None:  # noqa: ARG001 - periodic tasks get it
        _log_end_errors(context)
        await jobs.queue(context.app, step)

    for name in jobs.names:
        queue = build_step_queue(name)
        blueprint.periodic_registry.register_task(
            task=queue_step,
            cron="* * * * * */15",
            periodic_id=name,
            configure_kwargs={"queue": queue, "queueing_lock": queue, "priority": 1, "task_kwargs": {"step": name}},
        )


def _compute_requeue_secs(stalled_secs: float) -> int:
    """Return how often to look for stalled jobs, in seconds of the cron expression."""
    return min(max(round(stalled_secs / 3), 1), 30)


def _log_end_errors(context: JobContext) -> None:
    """Log if procrastinate cannot note that the current job has ended, for example because another worker has it."""
    task, job = asyncio.current_task(), context.job.call_string
    assert task is not None  # noqa: S101 - a job runs in a task

    def log_error(task: asyncio.Task[object]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            reason = str(error.__cause__ or error).partition("\n")[0]
            _logger.warning("the end of %s could not be noted; another worker may have continued it: %s", job, reason)

    task.add_done_callback(log_error)
