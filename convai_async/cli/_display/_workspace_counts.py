"""Count the workspaces of a round, and describe them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from convai_async.cli._display._progress import format_counts, format_outlook
from convai_async.cli._formatting import to_single_line
from convai_async.cli._output import print_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.cli._times import TimeFormatter
    from convai_async.harvest import WorkspaceReport


class WorkspaceCounts:
    """Counts the workspaces of a round by status, and their conversations.

    Args:
        total: The number of workspaces.
        monotonic: Returns the time in seconds.
    """

    def __init__(self, total: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._monotonic = monotonic
        self._started = monotonic()
        self._reports: dict[str, WorkspaceReport] = {}

    def update(self, report: WorkspaceReport) -> bool:
        """Note a report; return whether its harvest has ended."""
        self._reports[report.workspace.name] = report
        return report.status in {"done", "failed"}

    @property
    def running(self) -> list[WorkspaceReport]:
        """The workspaces that are being harvested."""
        return [report for report in self._reports.values() if report.status == "running"]

    def summarize(self) -> dict[str, float]:
        """Return the counts of all workspaces."""
        reports = list(self._reports.values())
        return {
            "workspaces": self._total,
            "complete": sum(report.complete for report in reports),
            "ended": sum(report.status in {"done", "failed"} for report in reports),
            "failed": sum(report.status == "failed" for report in reports),
            "running": len(self.running),
            "fetched": sum(report.harvest.fetched for report in reports),
            "seconds": self._monotonic() - self._started,
        }

    def format(self) -> str:
        """Return the counts of all workspaces as one line."""
        counts = self.summarize()
        rate = counts["fetched"] / counts["seconds"] if counts["seconds"] else 0.0
        failed = f", {counts['failed']:,} failed" if counts["failed"] else ""
        return (
            f"{counts['ended']:,} of {counts['workspaces']:,} workspaces ended{failed}, {counts['running']:,} running;"
            f" {counts['fetched']:,} conversations fetched ({rate:.0f}/s)"
        )


def print_end(report: WorkspaceReport) -> None:
    """Print the counts or the problem of a workspace that has ended to standard error."""
    print_note(f"{to_single_line(report.workspace.name)}: {format_end(report)}")


def format_end(report: WorkspaceReport) -> str:
    """Return the counts or the problem of a workspace."""
    return format_counts(report.harvest) if report.error is None else f"failed: {to_single_line(str(report.error))}"


def format_running(report: WorkspaceReport, times: TimeFormatter) -> str:
    """Return the counts of a workspace that is being harvested."""
    return f"{format_counts(report.harvest)}; {format_outlook(report.harvest, times)}"
