"""Format the output of ``convai-async workspaces status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.cli._formatting import format_duration, format_table, to_single_line

if TYPE_CHECKING:
    from datetime import datetime

    from convai_async.cli._times import TimeFormatter
    from convai_async.workers import WorkersStatus, WorkspaceStatus

_TITLES = ("workspace", "state", "worker", "last harvest", "fetched in 24 h", "behind", "next")


def format_status(status: WorkersStatus, times: TimeFormatter) -> str:
    """Return a table of the workspaces, their problems, and a line about the queue."""
    rows = [_TITLES, *(_format_row(each, times) for each in status.workspaces)]
    problems = [
        f"{to_single_line(each.name)}: {to_single_line(each.error)}" for each in status.workspaces if each.error
    ]
    queue = (
        f"{_count(status.workers, 'worker')}; {status.running:,} running, {status.queued:,} queued,"
        f" {status.delayed:,} delayed (times are in {times.zone_name})"
    )
    return "\n".join([format_table(rows, numbers={4, 5}), *problems, queue])


def _format_row(status: WorkspaceStatus, times: TimeFormatter) -> tuple[str, ...]:
    last = "" if status.started_at is None else f"{status.outcome or 'started'} {_format(status.started_at, times)}"
    return (
        to_single_line(status.name),
        status.state,
        to_single_line(status.worker),
        last,
        f"{status.fetched:,}",
        "never complete" if status.behind_secs is None else format_duration(status.behind_secs),
        "" if status.next_at is None else _format(status.next_at, times),
    )


def _format(moment: datetime, times: TimeFormatter) -> str:
    return times.format(int(moment.timestamp()))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
