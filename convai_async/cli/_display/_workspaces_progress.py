"""Show the progress of many workspaces: those that are running, and a line for all of them."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import msgspec

from convai_async.cli._display._progress import LineClock, report_to_builtins
from convai_async.cli._display._workspace_counts import print_end
from convai_async.cli._output import OutputError, print_note, print_output

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from convai_async.cli._display._workspace_counts import WorkspaceCounts
    from convai_async.cli._times import TimeFormatter
    from convai_async.harvest import WorkspaceReport


class WorkspacesDisplay(Protocol):
    """Shows the progress of many workspaces."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def update(self, report: WorkspaceReport) -> None:
        """Show the report of a workspace, if it is time for an update."""


def create_workspaces_display(counts: WorkspaceCounts, times: TimeFormatter, *, as_json: bool) -> WorkspacesDisplay:
    """Return the display for the output: JSON lines, a table of the running workspaces, or lines of text."""
    if as_json:
        return _WorkspaceLines(counts, lambda: _print_line(encode_counts("progress", counts)), print_json_end)
    if sys.stderr is not None and sys.stderr.isatty():
        from convai_async.cli._display._live_workspaces import LiveWorkspaces  # noqa: PLC0415 - needs rich, and a terminal

        return LiveWorkspaces(counts, times)
    return _WorkspaceLines(counts, lambda: print_note(counts.format()), print_end)


class _WorkspaceLines:
    """Shows a line for all workspaces every ten seconds, and a line for each workspace that has ended."""

    def __init__(
        self,
        counts: WorkspaceCounts,
        show: Callable[[], None],
        show_end: Callable[[WorkspaceReport], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._show = show
        self._show_end = show_end
        self._clock = LineClock(monotonic, at_once=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: the command prints the final report."""

    def update(self, report: WorkspaceReport) -> None:
        """Show the line that is due."""
        if self._counts.update(report):
            self._show_end(report)
        elif self._clock.is_due():
            self._show()


def print_json_end(report: WorkspaceReport) -> None:
    """Print the report of a workspace that has ended as a JSON line."""
    _print_line(encode_workspace(report))


def encode_workspace(report: WorkspaceReport) -> bytes:
    """Return the report of a workspace as a JSON line."""
    return msgspec.json.encode(
        {
            "event": "report",
            "workspace": report.workspace.name,
            "archive": str(report.workspace.location),
            "status": report.status,
            "error": None if report.error is None else str(report.error),
            **report_to_builtins(report.harvest),
            "complete": report.complete,
        }
    )


def encode_counts(event: str, counts: WorkspaceCounts) -> bytes:
    """Return the counts of all workspaces as a JSON line."""
    return msgspec.json.encode({"event": event, **counts.summarize()})


def _print_line(line: bytes) -> None:
    """Print a line; the harvest continues if it cannot be written, and its final report raises the error."""
    with suppress(OutputError):
        print_output(line)
