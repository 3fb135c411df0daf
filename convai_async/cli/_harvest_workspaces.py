"""``convai-async harvest --workspaces``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from convai_async.archive import format_command
from convai_async.cli._display._workspace_counts import WorkspaceCounts, format_end
from convai_async.cli._display._workspaces_progress import create_workspaces_display, encode_counts
from convai_async.cli._exit_codes import EXIT_INTERRUPTED, EXIT_SOME_FAILED
from convai_async.cli._formatting import format_duration, format_table, to_single_line
from convai_async.cli._output import print_output
from convai_async.harvest import harvest_many, open_workspace_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anyio

    from convai_async.cli._monitor import HarvestMonitor
    from convai_async.cli._times import TimeFormatter
    from convai_async.harvest import Workspace, WorkspaceReport


async def harvest_workspaces(  # noqa: PLR0913 - the options, each by its name
    monitor: HarvestMonitor,
    stop: anyio.Event,
    *,
    workspaces: Sequence[Workspace],
    times: TimeFormatter,
    as_json: bool,
    timeout: float,
    max_concurrency: int,
    at_once: int,
) -> int:
    """Harvest all workspaces once, print the report, and return the exit code."""
    counts = WorkspaceCounts(len(workspaces))
    with create_workspaces_display(counts, times, as_json=as_json) as display:

        def update(report: WorkspaceReport) -> None:
            monitor.update(report)
            display.update(report)

        reports = await harvest_many(
            workspaces,
            max_concurrency=max_concurrency,
            at_once=at_once,
            open_client=partial(open_workspace_client, timeout=timeout),
            progress=update,
            stop=stop,
        )
    print_output(encode_counts("summary", counts) if as_json else _format_reports(reports, counts))
    if stop.is_set():
        return EXIT_INTERRUPTED
    return 0 if all(report.complete for report in reports) else EXIT_SOME_FAILED


def _format_reports(reports: Sequence[WorkspaceReport], counts: WorkspaceCounts) -> str:
    """Return a table of the workspaces, the problems, and the counts of all workspaces."""
    rows = [("workspace", "found", "fetched", "failed", "archive"), *map(_format_row, reports)]
    problems = [
        f"{to_single_line(report.workspace.name)}: {problem}" for report in reports if (problem := _explain(report))
    ]
    totals = counts.summarize()
    summary = (
        f"{totals['complete']:,} of {totals['workspaces']:,} workspaces are complete;"
        f" {totals['fetched']:,} conversations fetched in {format_duration(totals['seconds'])}"
    )
    return "\n".join([format_table(rows, numbers={1, 2, 3}), *problems, summary])


def _format_row(report: WorkspaceReport) -> tuple[str, str, str, str, str]:
    counts = report.harvest
    numbers = (f"{number:,}" for number in (counts.found, counts.fetched, counts.failed))
    return to_single_line(report.workspace.name), *numbers, to_single_line(str(report.workspace.location))  # type: ignore[return-value]


def _explain(report: WorkspaceReport) -> str:
    """Return why a workspace is not complete; empty if it is."""
    if report.complete:
        return ""
    if report.error is not None:
        return format_end(report)
    if report.harvest.failed:
        command = format_command("status", report.workspace.location)
        return f"{report.harvest.failed:,} failed: see `{command}`"
    return "not harvested" if report.status == "waiting" else "interrupted"
