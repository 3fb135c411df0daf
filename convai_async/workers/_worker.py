"""Run a worker: two workers of procrastinate, one for harvests and one for housekeeping, until they are stopped."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg import Error

from convai_async._support.tasks import task_group
from convai_async._support.validate import validate_integer
from convai_async.workers._blueprint import DEFAULT_CONCURRENCY, DEFAULT_STALLED_SECS, create_blueprint
from convai_async.workers._database import QUEUE_SCHEMA, build_parameters, parse_database
from convai_async.workers._queue import HARVEST_QUEUE, HOUSEKEEPING_QUEUE, NAMESPACE
from convai_async.workers._runs import get_worker_name
from convai_async.workers._schema import prepare_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.harvest import WorkspaceReport

_logger = logging.getLogger("convai_async.workers")

_DEFAULT_AT_ONCE = 4
_POLL_SECS = 2.0
"""Seconds between looks at the queue. A notification announces new jobs, but not the end of a lock or a delay."""
_RESTART_SECS = 2.0
_STOP_SECS = 60.0
"""Seconds that jobs have to end when the worker stops; requests in flight have 30 of them."""


def create_app(database: str) -> App:
    """Return an application of procrastinate with the queue of the workers, to add jobs to it.

    Raises:
        InvalidArgumentError: It is not a URL of a PostgreSQL database.
    """
    parameters = build_parameters(parse_database(database), search_path=QUEUE_SCHEMA)
    return App(connector=PsycopgConnector(kwargs=parameters, min_size=1, max_size=8))


async def run_worker(  # noqa: PLR0913 - keyword-only settings
    database: str,
    *,
    at_once: int = _DEFAULT_AT_ONCE,
    max_concurrency: int = DEFAULT_CONCURRENCY,
    stalled_secs: float = DEFAULT_STALLED_SECS,
    progress: Callable[[WorkspaceReport], None] | None = None,
    connected: Callable[[bool], None] | None = None,
    stop: anyio.Event | None = None,
    **options: Any,
) -> None:
    """Harvest workspaces of a database as their schedules say, until the worker is stopped.

    Any number of workers can run at the same time, on any number of machines.

    Args:
        database: The URL of the database.
        at_once: The maximum number of workspaces that are harvested at the same time, 4 by default.
        max_concurrency: The maximum number of requests in flight of a key, 128 by default.
        stalled_secs: How old the heartbeat of a worker may be, in seconds, before others continue its jobs; 30 by
            default, and the same for all workers.
        progress: A function that is called in the event loop with a workspace's report whenever it has changed.
        connected: A function that is called in the event loop with True when the worker waits for jobs, and with False
            when the database does not respond.
        stop: An event that ends the worker when it is set. Requests in flight have 30 seconds to finish, and other
            workers continue the harvests.
        **options: ``open_client``, as for `create_blueprint`.

    Raises:
        ArchiveError: The database cannot be reached at the start, or the role may not create schemas.
        InvalidArgumentError: A value is invalid.
    """
    validate_integer("at_once", at_once, 1)
    stop = stop or anyio.Event()
    blueprint = create_blueprint(
        database, max_concurrency=max_concurrency, stalled_secs=stalled_secs, progress=progress, stop=stop, **options
    )
    await prepare_database(database)
    app = create_app(database)
    app.add_tasks_from(blueprint, namespace=NAMESPACE)
    settings = {
        "update_heartbeat_interval": stalled_secs / 3,
        "stalled_worker_timeout": stalled_secs,
        "fetch_job_polling_interval": _POLL_SECS,
        "shutdown_graceful_timeout": _STOP_SECS,
        "install_signal_handlers": False,
        "delete_jobs": "successful",
    }
    async with app.open_async(), task_group() as group:
        _logger.info("worker %s started", get_worker_name())
        run = partial(_keep_running, app, stop, connected or _ignore)
        group.start_soon(run, {**settings, "queues": [HARVEST_QUEUE], "concurrency": at_once})
        group.start_soon(run, {**settings, "queues": [HOUSEKEEPING_QUEUE]})
    _logger.info("worker %s stopped", get_worker_name())


async def _keep_running(
    app: App, stop: anyio.Event, connected: Callable[[bool], None], settings: dict[str, Any]
) -> None:
    """Run a worker of procrastinate, which ends when the database fails, until it is stopped."""
    while not stop.is_set():
        connected(True)
        try:
            await _run_until(app, stop, settings)
        except (ConnectorException, Error) as error:
            _logger.warning("the database does not respond: %s", error.__cause__ or error)
        connected(False)
        if not stop.is_set():
            with anyio.move_on_after(_RESTART_SECS):
                await stop.wait()


async def _run_until(app: App, stop: anyio.Event, settings: dict[str, Any]) -> None:
    worker = asyncio.create_task(app.run_worker_async(**settings))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({worker, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        worker.cancel()  # it ends its jobs in order
        await asyncio.wait({worker})
    if not worker.cancelled() and (error := worker.exception()) is not None:
        raise error


def _ignore(_: bool) -> None:  # noqa: FBT001 - the signature of a callback
    """Ignore the state of the connection."""
