"""Harvest many workspaces in one event loop.

Some workspaces are harvested at the same time, each with its own connections and archive. They share the memory for
large responses. The requests of a key share a limiter, and all limiters have the same bound, which grows when fewer
workspaces are left than can be harvested at the same time. While others wait, a workspace has a limited time (a turn);
then it is stopped, and continues after them.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

import anyio

from convai_async._support.tasks import task_group
from convai_async._support.validate import validate_integer
from convai_async._support.workspace_name import workspace_name
from convai_async._transport.memory import MemoryBudget
from convai_async.errors import ConvAIError
from convai_async.harvest._workspace_harvest import (
    SharedLimits,
    WorkspaceHarvest,
    WorkspaceReport,
    ignore_progress,
    open_workspace_client,
)
from convai_async.harvest._workspaces import validate_workspaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from convai_async.client import ConvAIClient
    from convai_async.harvest._workspaces import Workspace

_logger = logging.getLogger("convai_async")

_DEFAULT_CONCURRENCY = 128
_DEFAULT_AT_ONCE = 16
_MAX_MEMORY_BYTES = 512 * 1024 * 1024
_TURN_SECS = 300.0
"""Seconds of a workspace's first turn. Each one is twice as long, so that every workspace ends."""


async def harvest_many(  # noqa: PLR0913 - keyword-only settings
    workspaces: Iterable[Workspace],
    *,
    max_concurrency: int = _DEFAULT_CONCURRENCY,
    at_once: int = _DEFAULT_AT_ONCE,
    open_client: Callable[[Workspace], AbstractAsyncContextManager[ConvAIClient]] = open_workspace_client,
    progress: Callable[[WorkspaceReport], None] | None = None,
    stop: anyio.Event | None = None,
) -> list[WorkspaceReport]:
    """Harvest workspaces, each into its own archive. Run it again to bring the archives up to date.

    If a workspace cannot be harvested, for example because its key was revoked, its report has the error, and the
    others are harvested. Workspaces with the same key share its limit on requests in flight. A large workspace does not
    delay the others: all have the same bound on requests in flight, and after five minutes it waits until the others
    have had their turn.

    Args:
        workspaces: The workspaces, for example from `read_workspaces`.
        max_concurrency: The maximum number of requests in flight for all workspaces together, 128 by default.
        at_once: The maximum number of workspaces that are harvested at the same time, 16 by default.
        open_client: Opens the client of a workspace, for example with a key from a vault. By default
            `open_workspace_client`. Its limit on requests in flight is replaced.
        progress: A function that is called in the event loop with a workspace's report whenever it has changed.
        stop: An event that ends all harvests early when it is set, as for `harvest`.

    Returns:
        A report for each workspace, in the same order.

    Raises:
        ConfigurationError: A workspace is invalid, or two have the same name or archive.
        InvalidArgumentError: A value is out of range.
    """
    validate_integer("max_concurrency", max_concurrency, 1)
    validate_integer("at_once", at_once, 1)
    reports = [WorkspaceReport(workspace=workspace) for workspace in workspaces]
    validate_workspaces([report.workspace for report in reports])
    many = _ManyHarvester(
        [WorkspaceHarvest(report, progress or ignore_progress) for report in reports],
        max_concurrency=max_concurrency,
        at_once=min(at_once, max_concurrency),
        open_client=open_client,
        stop=stop or anyio.Event(),
    )
    await many.run()
    return reports


class _ManyHarvester:
    """Harvests many workspaces; the arguments are those of `harvest_many`."""

    def __init__(
        self,
        queue: Iterable[WorkspaceHarvest],
        *,
        max_concurrency: int,
        at_once: int,
        open_client: Callable[[Workspace], AbstractAsyncContextManager[ConvAIClient]],
        stop: anyio.Event,
    ) -> None:
        self._queue = deque(queue)
        self._unfinished = len(self._queue)
        self._max_concurrency = max_concurrency
        self._at_once = at_once
        self._open_client = open_client
        self._stop = stop
        self._limits = SharedLimits(max_concurrency, self._divisor)
        self._memory = MemoryBudget(_MAX_MEMORY_BYTES)

    @property
    def _divisor(self) -> int:
        return max(1, min(self._at_once, self._unfinished))

    async def run(self) -> None:
        """Harvest all workspaces, or until the run is stopped."""
        async with task_group() as group:
            for _ in range(self._divisor):
                group.start_soon(self._work)

    async def _work(self) -> None:
        while self._queue and not self._stop.is_set():
            progress = self._queue.popleft()
            try:
                is_finished = await self._take_turn(progress)
            except Exception as error:  # one workspace must not stop the others
                if not isinstance(error, ConvAIError | OSError):
                    _logger.exception("the harvest of workspace %r failed unexpectedly", progress.report.workspace.name)
                progress.fail(error)
                is_finished = True
            if is_finished:
                self._unfinished -= 1
                self._limits.divide_by(self._divisor)
            else:
                self._queue.append(progress)

    async def _take_turn(self, progress: WorkspaceHarvest) -> bool:
        """Harvest a workspace until it is finished or its turn ends; return whether it is finished."""
        workspace_name.set(progress.report.workspace.name)
        progress.set_status("running")
        ends = anyio.Event()
        async with task_group() as group:
            group.start_soon(self._end_turn, ends, _TURN_SECS * 2**progress.turns)
            async with self._open_client(progress.report.workspace) as client:
                await progress.harvest(
                    client, self._limits, self._memory, max_concurrency=self._max_concurrency, stop=ends
                )
            group.cancel_scope.cancel()
        progress.turns += 1
        is_finished = not progress.agents or self._stop.is_set()
        progress.set_status("done" if is_finished else "waiting")
        return is_finished

    async def _end_turn(self, ends: anyio.Event, seconds: float) -> None:
        """Set the event when the run is stopped, or when the turn is over and others wait."""
        while not ends.is_set():
            with anyio.move_on_after(seconds):
                await self._stop.wait()
            if self._stop.is_set() or self._queue:
                ends.set()
