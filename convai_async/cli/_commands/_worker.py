"""``convai-async worker``."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import anyio
import click

from convai_async.cli._logging import build_logging_options, log_progress
from convai_async.cli._monitor import HarvestMonitor
from convai_async.cli._options import apply_options, format_examples
from convai_async.cli._rounds import HEALTH_OPTIONS, open_health_checks
from convai_async.cli._signals import stop_gracefully
from convai_async.errors import ConfigurationError
from convai_async.steps import load_steps

if TYPE_CHECKING:
    from convai_async.cli._options import Command


def _add_worker_options(command: Command) -> Command:
    """Add the options for health checks and for logging."""
    return apply_options(command, [*HEALTH_OPTIONS, *build_logging_options()])


@click.command(
    "worker",
    epilog=format_examples(
        "convai-async worker postgresql://db/convai",
        "convai-async worker postgresql://db/convai --at-once 8 --health-port 8080",
    ),
)
@click.argument("database")
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    metavar="N",
    help="Maximum number of workspaces to harvest at the same time.",
)
@click.option(
    "--max-concurrency",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    metavar="N",
    help="Maximum number of requests in flight for each key.",
)
@click.option(
    "--stalled-after",
    type=click.FloatRange(min=1, max=3600),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="Continue the harvests of workers that have not responded for this time. It must be the same for all workers.",
)
@click.option(
    "--module",
    metavar="NAME",
    help="Also run the steps of this Python module on all archives of DATABASE, such as my_steps for my_steps.py in"
    " this folder.",
)
@_add_worker_options
def worker_command(  # noqa: PLR0913 - the options, each by its name
    database: str,
    *,
    at_once: int,
    max_concurrency: int,
    stalled_after: float,
    module: str | None,
    health_port: int | None,
    health_host: str,
) -> int:
    """Harvest the workspaces of DATABASE, a PostgreSQL URL, by their schedules.

    Run as many workers as you want, on any number of machines: each workspace is harvested by one of them at a time.
    `convai-async workspaces add` adds workspaces.

    SIGTERM or Ctrl-C stops the worker, with exit code 0: running requests have 30 seconds to finish, and another worker
    continues its harvests. A second signal stops it immediately.
    """
    log_progress("convai_async.workers")
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # a line for each connection that it tries
    settings: dict[str, Any] = {
        "at_once": at_once,
        "max_concurrency": max_concurrency,
        "stalled_secs": stalled_after,
        "steps": [] if module is None else load_steps(module),
    }
    asyncio.run(_work(database, health_host, health_port, **settings))
    return 0


async def _work(database: str, health_host: str, health_port: int | None, **settings: Any) -> None:
    try:
        from convai_async.workers import run_worker  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        raise ConfigurationError("this command needs an extra: pip install 'convai-async[postgres]'") from None
    stop = anyio.Event()
    monitor = HarvestMonitor(stop)
    monitor.connected = False

    def note_connection(connected: bool) -> None:  # noqa: FBT001 - the signature of a callback
        monitor.connected = connected

    with stop_gracefully(stop, "stopping: waiting for running requests (press Ctrl-C again to stop immediately)"):
        async with open_health_checks(monitor, health_host, health_port):
            await run_worker(database, progress=monitor.update, connected=note_connection, stop=stop, **settings)
