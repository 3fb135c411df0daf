"""Count the harvests of a long-running command, for health checks and metrics."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from convai_async.harvest import HarvestReport, WorkspaceReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import anyio

    from convai_async.harvest import Workspace

COUNTS = ("fetched", "recordings", "deleted", "bytes")
"""The counts of `HarvestReport` that only grow, added over all harvests."""


class WorkspaceState(msgspec.Struct, kw_only=True):
    """The harvests of a workspace since the command was started.

    Attributes:
        totals: The sums of `COUNTS` of the harvests that have ended.
        current: The report of the current harvest, or of the last one.
        outcomes: The number of harvests by how they ended: complete, incomplete or failed.
        status: The status of the current harvest; empty when the last one has ended.
        last_complete: When the last complete harvest ended, in Unix seconds; 0 if there was none.
    """

    totals: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    current: HarvestReport = msgspec.field(default_factory=HarvestReport)
    outcomes: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("complete", "incomplete", "failed"), 0)
    )
    status: str = ""
    last_complete: float = 0.0

    def count(self, name: str) -> int:
        """Return a count over all harvests, with the current one."""
        return self.totals[name] + (getattr(self.current, name) if self.status else 0)


class HarvestMonitor:
    """Keeps the state of all workspaces, and tells whether the command is ready.

    Args:
        stop: The event that ends the command.
        clock: Returns the current time in Unix seconds.

    Attributes:
        workspaces: The state of each workspace by its name.
        rounds: The number of rounds that have ended.
        connected: Whether a worker waits for jobs; None for a command that harvests without a queue, which is ready
            after its first harvest.
    """

    def __init__(self, stop: anyio.Event, clock: Callable[[], float] = time.time) -> None:
        self.workspaces: dict[str, WorkspaceState] = {}
        self.rounds = 0
        self.connected: bool | None = None
        self._stop = stop
        self._clock = clock

    def update(self, report: WorkspaceReport) -> None:
        """Note the progress or the end of a workspace's harvest."""
        state = self.workspaces.setdefault(report.workspace.name, WorkspaceState())
        state.current = report.harvest
        state.status = report.status
        if report.status in {"done", "failed"}:
            for name in COUNTS:
                state.totals[name] += getattr(report.harvest, name)
            state.status = ""
            outcome = "complete" if report.complete else "incomplete" if report.error is None else "failed"
            state.outcomes[outcome] += 1
            if report.complete:
                state.last_complete = self._clock()

    @contextmanager
    def watch(self, workspace: Workspace) -> Iterator[Callable[[HarvestReport], None]]:
        """Watch the harvest of one workspace in the block, and yield the function to call with its progress."""
        report = WorkspaceReport(workspace=workspace, status="running")

        def update(harvest: HarvestReport) -> None:
            report.harvest = harvest
            self.update(report)

        self.update(report)
        try:
            yield update
        except Exception as error:
            report.status, report.error = "failed", error
            raise
        else:
            report.status = "done"
        finally:
            self.update(report)

    def summarize(self) -> dict[str, int | bool]:
        """Return the facts of the readiness check, without names."""
        states = self.workspaces.values()
        is_working = any(map(self._has_worked, states)) if self.connected is None else self.connected
        return {
            "ready": not self._stop.is_set() and is_working,
            "stopping": self._stop.is_set(),
            "rounds": self.rounds,
            "workspaces": len(states),
            "running": sum(state.status == "running" for state in states),
        }

    @staticmethod
    def _has_worked(state: WorkspaceState) -> bool:
        return state.outcomes["complete"] + state.outcomes["incomplete"] > 0
