"""Harvest one workspace with its settings: its client, its agents one after the other, and its report."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import msgspec
from anyio.to_thread import run_sync

from convai_async._support.proxies import has_proxy
from convai_async._transport.limiter import ConcurrencyLimiter
from convai_async.client import ConvAIClient, get_engine
from convai_async.errors import ConfigurationError
from convai_async.harvest._api import harvest
from convai_async.harvest._report import HarvestReport, merge_reports
from convai_async.harvest._workspaces import Workspace, read_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import anyio

    from convai_async._transport.memory import MemoryBudget


class WorkspaceReport(msgspec.Struct, kw_only=True):
    """The harvest of one workspace. It changes during the run, and is final when `harvest_many` returns.

    Attributes:
        workspace: The workspace.
        status: ``"waiting"`` for its first or next turn, ``"running"``, ``"done"`` or ``"failed"``.
        harvest: The counts, of all agents and turns together. A conversation that is listed again in a later turn
            counts as found and unchanged again.
        error: The exception because of which the harvest failed, or None.
    """

    workspace: Workspace
    status: Literal["waiting", "running", "done", "failed"] = "waiting"
    harvest: HarvestReport = msgspec.field(default_factory=HarvestReport)
    error: Exception | None = None

    @property
    def complete(self) -> bool:
        """Whether all conversations and recordings of the workspace are in its archive."""
        return self.status == "done" and self.harvest.complete


@asynccontextmanager
async def open_workspace_client(workspace: Workspace, *, timeout: float | None = 60.0) -> AsyncIterator[ConvAIClient]:
    """Open a client with the key and the address of a workspace, and with the proxy of the environment.

    Args:
        workspace: The workspace.
        timeout: The timeout of one attempt in seconds, as for `ConvAIClient`.

    Raises:
        ConfigurationError: The key cannot be read.
    """
    key = await run_sync(read_key, workspace)
    async with ConvAIClient(
        key,
        region=workspace.region,
        base_url=workspace.base_url,
        share=workspace.share,
        timeout=timeout,
        trust_env=has_proxy(),
    ) as client:
        yield client


class SharedLimits:
    """Limiters by key, with the same maximum each.

    Args:
        max_concurrency: The maximum number of requests in flight of all keys.
        divisor: The number of keys that can be in use at the same time.
    """

    def __init__(self, max_concurrency: int, divisor: int) -> None:
        self._max_concurrency = max_concurrency
        self._maximum = max_concurrency // divisor
        self._limiters: dict[bytes, tuple[ConcurrencyLimiter, Workspace]] = {}

    def get(self, key_digest: bytes, workspace: Workspace) -> ConcurrencyLimiter:
        """Return the limiter of a key.

        Raises:
            ConfigurationError: Another workspace uses the key with another share.
        """
        if key_digest not in self._limiters:
            self._limiters[key_digest] = ConcurrencyLimiter(self._maximum, workspace.share), workspace
        limiter, first = self._limiters[key_digest]
        if first.share != workspace.share:
            raise ConfigurationError(f"share: workspace {first.name!r} has the same key: set the same share for both")
        return limiter

    def divide_by(self, divisor: int) -> None:
        """Raise the maximum of each limiter when fewer keys can be in use."""
        self._maximum = self._max_concurrency // divisor
        for limiter, _ in self._limiters.values():
            limiter.raise_maximum(self._maximum)


class WorkspaceHarvest:
    """The harvest of one workspace, in one turn or several.

    Args:
        report: The report to update.
        notify: Called with the report.

    Attributes:
        report: The report.
        turns: The number of turns so far.
        agents: The ids of the agents that are left; empty stands for all agents.
    """

    def __init__(self, report: WorkspaceReport, notify: Callable[[WorkspaceReport], None]) -> None:
        self.report = report
        self.turns = 0
        self.agents = deque(report.workspace.agents or [""])
        self._notify = notify
        self._before: list[HarvestReport] = []

    def set_status(self, status: Literal["waiting", "running", "done"]) -> None:
        """Change the status."""
        self.report.status = status
        self._notify(self.report)

    def fail(self, error: Exception) -> None:
        """Note that the harvest failed."""
        self.report.status, self.report.error = "failed", error
        self._notify(self.report)

    def _update(self, current: HarvestReport) -> None:
        """Note the counts of the current run of `harvest`."""
        self.report.harvest = merge_reports([*self._before, current])
        self._notify(self.report)

    def _end_run(self, ended: HarvestReport) -> None:
        """Keep the counts of a run that ended; of one that was stopped, those that the next run does not repeat."""
        if ended.interrupted:
            ended = msgspec.structs.replace(
                ended, found=ended.fetched, unchanged=0, skipped=0, failed=0, list_complete=True, interrupted=False
            )
        self._before.append(ended)

    async def harvest(
        self,
        client: ConvAIClient,
        limits: SharedLimits,
        memory: MemoryBudget,
        *,
        max_concurrency: int,
        stop: anyio.Event,
    ) -> None:
        """Harvest the agents that are left until the event is set.

        Args:
            client: The client of the workspace. Its limiter and budget are replaced.
            limits: Has the limiter of the key.
            memory: The budget for large responses.
            max_concurrency: The maximum number of conversations to fetch at the same time.
            stop: Ends the harvest early when it is set.

        Raises:
            ConvAIError: As for `harvest`.
            OSError: A recording cannot be written.
        """
        workspace = self.report.workspace
        engine = get_engine(client)
        engine.limiter = limits.get(engine.session.key_digest, workspace)
        engine.session.memory = memory
        while self.agents:
            report = await harvest(
                client,
                workspace.location,
                agent_id=self.agents[0] or None,
                lookback=workspace.lookback,
                audio=workspace.audio,
                recordings=workspace.recordings,
                max_concurrency=max_concurrency,
                progress=self._update,
                stop=stop,
            )
            self._end_run(report)
            if report.interrupted:
                return
            self.agents.popleft()


def ignore_progress(_: WorkspaceReport) -> None:
    """Ignore progress."""
