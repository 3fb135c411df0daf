"""Run a command once, or again and again with ``--every``, with health checks on a port."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
import click

from convai_async.archive import ArchiveBusyError, ArchiveConnectionError
from convai_async.cli._formatting import format_duration, to_single_line
from convai_async.cli._monitor import HarvestMonitor
from convai_async.cli._options import apply_options
from convai_async.cli._output import print_note
from convai_async.cli._signals import stop_gracefully
from convai_async.cli._times import parse_duration_option
from convai_async.errors import ConfigurationError, ConvAIError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import timedelta

    from convai_async.cli._options import Command

    T = TypeVar("T")
    Harvest = Callable[[HarvestMonitor, anyio.Event], Awaitable[int]]
    """Harvests once until it is complete or the event is set, prints the report, and returns the exit code."""


_RECONNECT_SECS = 5.0

HEALTH_OPTIONS = [
    click.option(
        "--health-port",
        type=click.IntRange(0, 65_535),
        metavar="PORT",
        help="Serve /healthz, /readyz and /metrics on this port (0 for a free one).",
    ),
    click.option(
        "--health-host",
        default="127.0.0.1",
        show_default=True,
        metavar="ADDRESS",
        help="Address for --health-port. The metrics contain the names of the workspaces.",
    ),
]


def add_round_options(command: Command) -> Command:
    """Add the options of a command that keeps running."""
    return apply_options(
        command,
        [
            click.option(
                "--every",
                type=parse_duration_option,
                metavar="TIME",
                help="Keep running, and harvest again at this interval: 30m, 12h or 1d. SIGTERM or Ctrl-C stops it,"
                " with exit code 0.",
            ),
            *HEALTH_OPTIONS,
        ],
    )


async def run_rounds(
    harvest_once: Harvest, *, every: timedelta | None, health_port: int | None, health_host: str
) -> int:
    """Harvest once, or with ``every`` until the command is stopped, and return the exit code.

    Errors end a single harvest. With ``every``, they are printed, and the next round tries again; only a wrong
    configuration ends the command, or a database that refuses the connection.
    """
    stop = anyio.Event()
    monitor = HarvestMonitor(stop)
    async with AsyncExitStack() as stack:
        stack.enter_context(
            stop_gracefully(stop, "stopping: waiting for running requests (press Ctrl-C again to stop immediately)")
        )
        await stack.enter_async_context(open_health_checks(monitor, health_host, health_port))
        if every is None:
            return await harvest_once(monitor, stop)
        while not stop.is_set():
            await _run_round(harvest_once, monitor, stop, every.total_seconds())
        return 0


@asynccontextmanager
async def open_health_checks(monitor: HarvestMonitor, host: str, port: int | None) -> AsyncIterator[None]:
    """Serve health checks and metrics until the block ends, if there is a port."""
    if port is None:
        yield
        return
    from convai_async.cli._health import serve_health  # noqa: PLC0415 - loads aiohttp's server

    async with serve_health(monitor, host, port) as address:
        print_note(f"health checks and metrics on {address}")
        yield


async def _run_round(harvest_once: Harvest, monitor: HarvestMonitor, stop: anyio.Event, seconds: float) -> None:
    """Harvest, and wait until the next round begins or the command is stopped."""
    clock = asyncio.get_running_loop().time
    next_round = clock() + seconds
    try:
        await wait_for_database(lambda: harvest_once(monitor, stop), stop)
    except (ConfigurationError, InvalidArgumentError):
        raise
    except (ConvAIError, OSError) as error:
        if _is_refused(error):
            raise
        print_note(f"convai-async: {to_single_line(str(error))}")
    monitor.rounds += 1
    left = next_round - clock()
    if left > 0 and not stop.is_set():
        print_note(f"next harvest in {format_duration(left)}")
        with anyio.move_on_after(left):
            await stop.wait()


async def wait_for_database(work: Callable[[], Awaitable[T]], stop: anyio.Event) -> T | None:
    """Run work that uses an archive; while its database does not respond, print this once, and run the work again.

    Returns:
        The result of the work, or None if the command is stopped while it waits.

    Raises:
        ArchiveConnectionError: The database refuses the connection, or the command is stopped.
        Exception: Any other error of the work.
    """
    printed = ""
    while True:
        try:
            return await work()
        except (ArchiveConnectionError, ArchiveBusyError) as error:
            # After a connection was lost, the database can keep the lock of its process for a while.
            is_waiting = printed != "" or isinstance(error, ArchiveConnectionError)
            if not (error.retryable and is_waiting) or stop.is_set():
                raise
            problem = to_single_line(str(error))
        if problem != printed:
            print_note(f"convai-async: waiting for the database: {problem}")
            printed = problem
        with anyio.move_on_after(_RECONNECT_SECS):
            await stop.wait()
            return None


def _is_refused(error: Exception) -> bool:
    return isinstance(error, ArchiveConnectionError) and not error.retryable
