"""Harvest a workspace as a job: read its settings, harvest it, store the outcome, and queue the rest of the work."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import CancelScope
from procrastinate.exceptions import ConnectorException

from convai_async._support.workspace_name import workspace_name
from convai_async._transport.memory import MemoryBudget
from convai_async.archive import ArchiveBusyError, ArchiveConnectionError
from convai_async.client import get_engine
from convai_async.errors import ConvAIError
from convai_async.harvest import WorkspaceReport
from convai_async.harvest._workspace_harvest import SharedLimits, WorkspaceHarvest
from convai_async.workers._analyze import analyze_once
from convai_async.workers._database import connect
from convai_async.workers._harvests_table import delete_run, end_run, start_run
from convai_async.workers._key_limits import KeyLimits
from convai_async.workers._queue import defer_harvest, is_taken_over
from convai_async.workers._workspaces import find_workspace, set_archive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from procrastinate import JobContext

    from convai_async.client import ConvAIClient
    from convai_async.harvest import Workspace
    from convai_async.workers._database import Database
    from convai_async.workers._harvests_table import Outcome
    from convai_async.workers._workspaces import ScheduledWorkspace

_logger = logging.getLogger("convai_async.workers")

_MAX_MEMORY_BYTES = 512 * 1024 * 1024
_FIRST_RETRY_SECS = 5
_MAX_RETRY_SECS = 15 * 60
_MAX_BUSY_SECS = 60
_RECONNECT_SECS = 2.0
_LARGE_HARVEST = 5_000
"""The number of fetched conversations from which on a harvest is large."""

T = TypeVar("T")


class HarvestJobs:
    """Runs harvests as jobs; those of one process share limiters and the memory for large responses.

    Args:
        database: The database with the settings, and with the archives of workspaces that have no other.
        max_concurrency: The maximum number of requests in flight of a key.
        open_client: Opens the client of a workspace.
        progress: Called with a workspace's report whenever it has changed.
        stop: Ends all harvests early when it is set.
    """

    def __init__(
        self,
        database: Database,
        *,
        max_concurrency: int,
        open_client: Callable[[Workspace], AbstractAsyncContextManager[ConvAIClient]],
        progress: Callable[[WorkspaceReport], None],
        stop: anyio.Event,
    ) -> None:
        self._database = database
        self._max_concurrency = max_concurrency
        self._open_client = open_client
        self._progress = progress
        self._stop = stop
        self._limits = SharedLimits(max_concurrency, 1)
        self._key_limits = KeyLimits(database)
        self._memory = MemoryBudget(_MAX_MEMORY_BYTES)

    async def run(self, context: JobContext, name: str, attempt: int) -> None:
        """Harvest a workspace until it is complete or the worker is stopped.

        If the worker was stopped, the harvest is queued again immediately; if it failed with a retryable error, later.
        """
        workspace_name.set(name)
        try:
            workspace, run = await self._persist(partial(self._start, name))
            if workspace is None or workspace.paused:
                _logger.info("not harvested: the workspace %s", "was removed" if workspace is None else "is paused")
                return
            _logger.info("harvest started")
            report = await self._harvest(workspace)
            _log_end(report)
            await self._persist(partial(self._end, context, run, report, attempt))
        except asyncio.CancelledError:
            with CancelScope(shield=True):
                await defer_harvest(context.app, name)
            raise

    async def _persist(self, action: Callable[[], Awaitable[T]]) -> T:
        """Read or write the state of a harvest; if the database does not respond, wait for it until the worker stops.

        Otherwise procrastinate would mark the job as failed as soon as the database responds, and no worker would
        continue it.
        """
        while True:
            try:
                return await action()
            except (ArchiveConnectionError, ConnectorException) as error:
                if self._stop.is_set():
                    raise
                _logger.warning("waiting for the database: %s", error.__cause__ or error)
            with anyio.move_on_after(_RECONNECT_SECS):
                await self._stop.wait()

    async def _start(self, name: str) -> tuple[ScheduledWorkspace | None, int]:
        """Read the settings of a workspace, and store that its harvest starts; the id is 0 if it does not."""
        async with connect(self._database) as connection:
            workspace = await find_workspace(connection, name)
            if workspace is None or workspace.paused:
                return workspace, 0
            return workspace, await start_run(connection, name)

    async def _end(self, context: JobContext, run: int, report: WorkspaceReport, attempt: int) -> None:
        """Store the outcome of a harvest, and queue it again if it was stopped or can be retried."""
        outcome, error, name = _find_outcome(report), report.error, report.workspace.name
        async with connect(self._database) as connection:
            if isinstance(error, ArchiveBusyError):
                await delete_run(connection, run)
            else:
                await end_run(connection, run, outcome, report.harvest, error)
                if report.harvest.fetched >= _LARGE_HARVEST:
                    await analyze_once(connection)
        if await is_taken_over(context):
            _logger.warning("another worker has continued this harvest, since this one did not respond")
        elif outcome == "stopped":
            await defer_harvest(context.app, name)
        elif error is not None and getattr(error, "retryable", False):
            longest = _MAX_BUSY_SECS if isinstance(error, ArchiveBusyError) else _MAX_RETRY_SECS
            seconds = min(_FIRST_RETRY_SECS * 3**attempt, longest)
            _logger.info("next attempt in %d s", seconds)
            await defer_harvest(context.app, name, seconds=seconds, attempt=attempt + 1)

    async def _harvest(self, workspace: ScheduledWorkspace) -> WorkspaceReport:
        report = WorkspaceReport(workspace=set_archive(workspace, self._database))
        harvest = WorkspaceHarvest(report, self._progress)
        harvest.set_status("running")
        try:
            async with self._open_client(workspace) as client:
                limiter = self._limits.get(get_engine(client).session.key_digest, workspace)
                async with self._key_limits.join(client, limiter):
                    await harvest.harvest(
                        client, self._limits, self._memory, max_concurrency=self._max_concurrency, stop=self._stop
                    )
        except Exception as error:
            if not isinstance(error, ConvAIError | OSError):
                _logger.exception("the harvest failed unexpectedly")
            harvest.fail(error)
        else:
            harvest.set_status("done")
        return report


def _find_outcome(report: WorkspaceReport) -> Outcome:
    if report.error is not None:
        return "failed"
    if report.complete:
        return "complete"
    return "stopped" if report.harvest.interrupted else "incomplete"


def _log_end(report: WorkspaceReport) -> None:
    counts, outcome = report.harvest, _find_outcome(report)
    if report.error is not None:
        _logger.warning("harvest %s: %s", outcome, report.error)
    else:
        _logger.info(
            "harvest %s: %d found, %d fetched, %d failed in %.1f s",
            outcome,
            counts.found,
            counts.fetched,
            counts.failed,
            counts.seconds,
        )
