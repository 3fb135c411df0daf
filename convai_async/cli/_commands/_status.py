"""``convai-async status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from convai_async.archive import Archive, PostgresUrl
from convai_async.cli._formatting import format_size, to_single_line
from convai_async.cli._options import ArchiveType, format_examples, utc_option
from convai_async.cli._output import is_terminal, print_output, print_rich
from convai_async.cli._times import TimeFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.archive import ArchiveStatus, HarvestRun, Location, Window


@click.command(
    "status",
    epilog=format_examples(
        "convai-async status calls.db",
    ),
)
@click.argument("archive", type=ArchiveType())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@utc_option
def status_command(archive: Location, *, as_json: bool, utc: bool) -> int:
    """Show the contents of ARCHIVE, the last harvest and the failures."""
    with Archive.open(archive) as opened:
        status, failures = opened.status(), opened.failures()
    if as_json:
        print_output(msgspec.json.encode({**msgspec.to_builtins(status), "failed": msgspec.to_builtins(failures)}))
        return 0
    lines = list(_format_lines(archive, status, TimeFormatter(utc=utc)))
    failed = f"{status.failures:>9,} failures" + ("; the next harvest retries them" if status.failures else "")
    if is_terminal():
        from rich.text import Text  # noqa: PLC0415 - not needed in a pipe

        style = "red" if status.failures else "green"
        print_rich(Text("\n").join([*map(Text, lines), Text(failed, style)]), wrap=False)
    else:
        print_output("\n".join([*lines, failed]))
    for failure in failures:
        print_output(f"  {to_single_line(failure.conversation_id)}, {failure.part}: {to_single_line(failure.error)}")
    return 0


def _format_lines(archive: Location, status: ArchiveStatus, times: TimeFormatter) -> Iterator[str]:
    oldest, newest = (times.format(moment) or "?" for moment in (status.oldest_unix_secs, status.newest_unix_secs))
    span = f" from {oldest} to {newest}" if status.conversations else ""
    source = to_single_line(status.source)
    size = format_size(status.size) + (" (the whole database)" if isinstance(archive, PostgresUrl) else "")
    yield f"{archive}: {size}, from {source} (times are in {times.zone_name})"
    yield f"{status.conversations:>9,} conversations{span}"
    yield f"{status.final:>9,} final (done or failed)"
    yield f"{status.turns:>9,} turns"
    yield f"{status.recordings:>9,} recordings"
    if status.deleted:
        yield f"{status.deleted:>9,} deleted at the service"
    if status.undecodable:
        yield f"{status.undecodable:>9,} stored as raw JSON only (see the column decode_error)"
    for window in status.windows:
        yield f"list complete {_format_window(window, times)}"
    if status.last_run is not None:
        yield f"last harvest: {_format_run(status.last_run, times)}"


def _format_window(window: Window, times: TimeFormatter) -> str:
    begin = f"from {times.format(window.start)}" if window.start else "from the beginning"
    return f"{begin} to {times.format(window.end)}"


def _format_run(run: HarvestRun, times: TimeFormatter) -> str:
    began = f"started {times.format(run.started_unix_secs)}"
    if run.ended_unix_secs is None:
        return f"{began}, still running or killed"
    report = run.report or {}
    how = "interrupted" if report.get("interrupted") else "finished"
    if run.error is not None:
        how = "failed"
    reason = "" if run.error is None else f": {to_single_line(run.error)}"
    return f"{began}, {how} {times.format(run.ended_unix_secs)}, {report.get('fetched') or 0:,} fetched{reason}"
