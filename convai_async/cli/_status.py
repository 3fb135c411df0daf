"""``convai-async status``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from convai_async.archive import Archive
from convai_async.cli._moments import Clock
from convai_async.cli._options import examples, utc_option
from convai_async.cli._output import is_terminal, write, write_rich
from convai_async.cli._terminal import byte_count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.archive import ArchiveStatus, HarvestRun, Window


@click.command(
    "status",
    epilog=examples(
        "convai-async status calls.db",
    ),
)
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@utc_option
def status_command(archive: Path, *, as_json: bool, utc: bool) -> int:
    """Show what an ARCHIVE holds, how far it goes, and what could not be fetched."""
    with Archive.open(archive) as opened:
        status, failures = opened.status(), opened.failures()
    if as_json:
        write(msgspec.json.encode({**msgspec.to_builtins(status), "failed": msgspec.to_builtins(failures)}))
        return 0
    lines = list(_lines(archive, status, Clock(utc=utc)))
    failed = f"{status.failures:>9,} could not be fetched; the next harvest tries again"
    if is_terminal():
        from rich.text import Text  # noqa: PLC0415 - not needed in a pipe

        style = "red" if status.failures else "green"
        write_rich(Text("\n").join([*map(Text, lines), Text(failed, style)]), wrap=False)
    else:
        write("\n".join([*lines, failed]))
    for failure in failures:
        write(f"  {one_line(failure.conversation_id)}, {failure.part}: {one_line(failure.error)}")
    return 0


def _lines(archive: Path, status: ArchiveStatus, clock: Clock) -> Iterator[str]:
    oldest, newest = (clock.show(moment) or "?" for moment in (status.oldest_unix_secs, status.newest_unix_secs))
    span = f" from {oldest} to {newest}" if status.conversations else ""
    yield f"{archive}: {byte_count(status.size)}, of {one_line(status.source)} (times are in {clock.zone})"
    yield f"{status.conversations:>9,} conversations{span}"
    yield f"{status.final:>9,} of them final (done or failed)"
    yield f"{status.turns:>9,} turns"
    yield f"{status.recordings:>9,} recordings"
    if status.deleted:
        yield f"{status.deleted:>9,} deleted at the service"
    if status.undecodable:
        yield f"{status.undecodable:>9,} kept as raw JSON only: see decode_error"
    for window in status.windows:
        yield f"the list is read {_span(window, clock)}"
    if status.last_run is not None:
        yield f"last run: {_run(status.last_run, clock)}"


def _span(window: Window, clock: Clock) -> str:
    begin = f"from {clock.show(window.start)}" if window.start else "from the beginning"
    return f"{begin} to {clock.show(window.end)}"


def _run(run: HarvestRun, clock: Clock) -> str:
    began = f"began {clock.show(run.started_unix_secs)}"
    if run.ended_unix_secs is None:
        return f"{began}, and is still running or was cut off"
    report = run.report or {}
    how = "was interrupted" if report.get("interrupted") else "ended"
    return f"{began}, {how} {clock.show(run.ended_unix_secs)}: {report.get('fetched') or 0:,} fetched"
