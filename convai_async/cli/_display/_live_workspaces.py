"""Show many workspaces on a terminal; needs rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from convai_async.cli._display._live_display import LiveDisplay
from convai_async.cli._display._workspace_counts import format_running, print_end
from convai_async.cli._formatting import to_single_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from convai_async.cli._display._workspace_counts import WorkspaceCounts
    from convai_async.cli._times import TimeFormatter
    from convai_async.harvest import WorkspaceReport

_REFRESHES_PER_SECOND = 4
_OTHER_LINES = 3
"""The lines of the terminal that are not for workspaces: the summary, the number of hidden ones, and the cursor's."""


class LiveWorkspaces(LiveDisplay):
    """A line for each running workspace, as far as they fit, and a line for all of them, on standard error.

    Args:
        counts: Counts the workspaces.
        times: Formats points in time.
    """

    def __init__(self, counts: WorkspaceCounts, times: TimeFormatter) -> None:
        self._counts = counts
        self._times = times
        super().__init__(_REFRESHES_PER_SECOND)

    def update(self, report: WorkspaceReport) -> None:
        """Store the report; print the problem of a workspace that has failed above the display."""
        if self._counts.update(report) and report.error is not None:
            print_end(report)

    def render(self) -> RenderableType:
        """Return the current display."""
        running = self._counts.running
        shown = running[: max(1, self._console.height - _OTHER_LINES)]
        table = Table.grid(padding=(0, 2, 0, 0))
        for report in shown:
            table.add_row(
                Text(to_single_line(report.workspace.name), "cyan", no_wrap=True),
                Text(format_running(report, self._times), no_wrap=True, overflow="ellipsis"),
            )
        hidden = len(running) - len(shown)
        more = [Text(f"and {hidden:,} more", "dim")] if hidden else []
        return Group(table, *more, Text(self._counts.format(), no_wrap=True, overflow="ellipsis"))
