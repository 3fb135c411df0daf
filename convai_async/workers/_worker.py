"""Run a worker: two workers of procrastinate, one for harvests and one for housekeeping, until they are stopped."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker
from psycopg import Error

from convai_async._support.validate import validate_integer
from convai_async.archive import ArchiveError
from convai_async.harvest import open_workspace_client
from convai_async.workers._blueprint import DEFAULT_CONCURRENCY, DEFAULT_STALLED_SECS, create_blueprint
from convai_async.workers._database import build_queue_parameters, parse_database
from convai_async.workers._queue import HARVEST_QUEUE, HOUSEKEEPING_QUEUE, NAMESPACE, build_step_queue
from convai_async.workers._schema import prepare_database
from convai_async.workers._worker_name import WORKER_PREFIX, get_worker_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from convai_async.client import ConvAIClient
    from convai_async.harvest import Workspace, WorkspaceReport
    from convai_async.steps import Step

_logger = logging.getLogger("convai_async.workers")

_DEFAULT_AT_ONCE = 4
_STEP_JOBS_AT_ONCE = 2
"""One more than runs: while the last conversations of a job are processed, the next job starts."""
_POLL_SECS = 2.0
"""Seconds between polls of the queue. A notification announces new jobs, but not the end of a lock or a delay."""
_POOL_SECS = 10.0
"""Seconds to wait for a connection before the database counts as unreachable."""
_RESTART_SECS = 2.0
_STOP_SECS = 60.0
"""Seconds that jobs have to end when the worker stops; requests in flight have 30 of them."""


def create_app(database: str) -> App:
    """Return an application of procrastinate with the queue of the workers, to add jobs to it.

    Raises:
        InvalidArgumentError: It is not a URL of a PostgreSQL database.
    """
    return _create_app(build_queue_parameters(parse_database(database)))


def _create_app(parameters: dict[str, Any]) -> App:
    return App(connector=PsycopgConnector(kwargs=parameters, min_size=1, max_size=8, timeout=_POOL_SECS))


async def run_worker(  # noqa: PLR0913 - keyword-only settings
    database: str,
    *,
    at_once: int = _DEFAULT_AT_ONCE,
    max_concurrency: int = DEFAULT_CONCURRENCY,
    stalled_secs: float = DEFAULT_STALLED_SECS,
    open_client: Callable[[Workspace], AbstractAsyncContextManager[ConvAIClient]] = open_workspace_client,
    steps: Iterable[Step[Any]] = (),
    progress: Callable[[WorkspaceReport], None] | None = None,
    connected: Callable[[bool], None] | None = None,
    stop: anyio.Event | None = None,
) -> None:
    """Harvest workspaces of a database by their schedules, until the worker is stopped.

    Any number of workers can run at the same time, on any number of machines.

    Args:
        database: The URL of the database.
        at_once: The maximum number of workspaces that are harvested at the same time, 4 by default.
        max_concurrency: The maximum number of requests in flight of a key, 128 by default.
        stalled_secs: How old the heartbeat of a worker may be, in seconds, before others continue its jobs; 30 by
            default, and the same for all workers.
        open_client: Opens the client of a workspace, for example with a key from a vault. By default
            `convai_async.harvest.open_workspace_client`.
        steps: Steps to run on the archives in the database, for example from `convai_async.steps.load_steps`.
        progress: A function that is called in the event loop with a workspace's report whenever it has changed.
        connected: A function that is called in the event loop with True when the worker waits for jobs, and with False
            when the database does not respond.
        stop: An event that ends the worker when it is set. Requests in flight have 30 seconds to finish, and other
            workers continue the harvests.

    Raises:
        ArchiveError: The database refuses the connection, or the role may not create schemas. The worker waits for a
            database that does not respond.
        InvalidArgumentError: A value is invalid.
    """
    validate_integer("at_once", at_once, 1)
    parsed, stop = parse_database(database), stop or anyio.Event()
    steps = list(steps)
    blueprint = create_blueprint(
        database,
        max_concurrency=max_concurrency,
        stalled_secs=stalled_secs,
        open_client=open_client,
        steps=steps,
        progress=progress,
        stop=stop,
    )
    connected = connected or _ignore
    app = _create_app(build_queue_parameters(parsed) | {"application_name": WORKER_PREFIX + get_worker_name()})
    app.add_tasks_from(blueprint, namespace=NAMESPACE)
    settings: dict[str, Any] = {
        "update_heartbeat_interval": stalled_secs / 3,
        "stalled_worker_timeout": stalled_secs,
        "fetch_job_polling_interval": _POLL_SECS,
        "shutdown_graceful_timeout": _STOP_SECS,
        "install_signal_handlers": False,
        "delete_jobs": "successful",
    }
    workers: list[dict[str, Any]] = [
        {**settings, "queues": [HARVEST_QUEUE], "concurrency": at_once},
        {**settings, "queues": [HOUSEKEEPING_QUEUE]},
    ]
    if steps:
        queues = [build_step_queue(step.name) for step in steps]
        workers.append({**settings, "queues": queues, "concurrency": _STEP_JOBS_AT_ONCE})
    _logger.info("worker %s started", get_worker_name())
    logged = ""
    while not stop.is_set():
        problem: object = "the connection of the queue was lost"
        try:
            await prepare_database(database)  # fails sooner than the pool, which retries
            async with app.open_async():
                connected(True)
                logged = ""
                await _run_until(stop, [Worker(app, **each) for each in workers])
        except ArchiveError as error:
            if not error.retryable:
                raise
            problem = error
        except (ConnectorException, Error) as error:
            problem = error.__cause__ or error
        connected(False)
        if not stop.is_set():
            if str(problem) != logged:
                logged = str(problem)
                _logger.warning("waiting for the database: %s", problem)
            with anyio.move_on_after(_RESTART_SECS):
                await stop.wait()
    _logger.info("worker %s stopped", get_worker_name())


async def _run_until(stop: anyio.Event, workers: list[Worker]) -> None:
    """Wait until the event is set, or a worker ends because the database fails; then end all gracefully."""
    stopping = asyncio.create_task(stop.wait())
    runs = [asyncio.create_task(worker.run()) for worker in workers]  # type: ignore[no-untyped-call]
    heartbeats = asyncio.create_task(_send_heartbeats(workers, runs))
    try:
        await asyncio.wait({*runs, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        for run in runs:
            run.cancel()  # it waits for its jobs
        await asyncio.wait({*runs, heartbeats})
    # Of all, since asyncio logs those that nobody has retrieved.
    errors = [error for run in runs if not run.cancelled() and (error := run.exception()) is not None]
    if errors:
        raise errors[0]


async def _send_heartbeats(workers: list[Worker], runs: list[asyncio.Task[None]]) -> None:
    """Send the heartbeats of workers until they have ended: procrastinate's own stop before their last jobs end."""
    while True:
        _, running = await asyncio.wait(runs, timeout=workers[0].update_heartbeat_interval)
        if not running:
            return
        for worker in workers:
            if worker.worker_id is not None:
                with suppress(ConnectorException):  # the worker notices it too
                    await worker.app.job_manager.update_heartbeat(worker.worker_id)


def _ignore(_: bool) -> None:  # noqa: FBT001 - the signature of a callback
    """Ignore the state of the connection."""
