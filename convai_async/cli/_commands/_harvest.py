"""``convai-async harvest``."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from convai_async.archive import format_command
from convai_async.cli._display._progress import create_display, encode_report, format_counts
from convai_async.cli._exit_codes import EXIT_INTERRUPTED, EXIT_SOME_FAILED
from convai_async.cli._formatting import format_size
from convai_async.cli._harvest_workspaces import harvest_workspaces
from convai_async.cli._options import (
    ArchiveType,
    add_connection_options,
    add_filter_options,
    format_examples,
    get_source_name,
    open_client,
)
from convai_async.cli._output import OutputError, print_note, print_output
from convai_async.cli._rounds import add_round_options, run_rounds
from convai_async.cli._times import TimeFormatter
from convai_async.cli._upgrade import upgrade_archive
from convai_async.harvest import Workspace, harvest, read_workspaces

if TYPE_CHECKING:
    import anyio

    from convai_async.archive import Location
    from convai_async.cli._display._progress import Display
    from convai_async.cli._monitor import HarvestMonitor
    from convai_async.cli._rounds import Harvest
    from convai_async.harvest import HarvestReport

_ARCHIVE_OPTIONS = {
    "agent_id",
    "since",
    "until",
    "lookback",
    "audio",
    "recordings",
    "prune",
    "prune_limit",
    "share",
    "limit",
    "same_workspace",
    "region",
    "base_url",
    "sandbox",
}
"""Options that apply to one archive; in the file of workspaces, some of them are fields."""


@click.command(
    "harvest",
    epilog=format_examples(
        "convai-async harvest calls.db --sandbox",
        "convai-async harvest calls.db --since 30d --audio",
        "convai-async harvest calls.db --audio --recordings s3://my-bucket/calls",
        "convai-async harvest --workspaces workspaces.toml --every 1h",
    ),
)
@click.argument("archive", type=ArchiveType(), required=False)
@click.option(
    "--workspaces",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Harvest the workspaces in this TOML file instead, each into its own archive and with its own settings.",
)
@add_filter_options
@click.option(
    "--lookback",
    type=click.IntRange(min=0, max=100_000),
    default=3,
    show_default=True,
    metavar="DAYS",
    help="Re-read this much of the list, back from the newest known conversation, to find changes.",
)
@click.option("--audio", is_flag=True, help="Also save recordings, as audio/<id>.mp3 next to the archive.")
@click.option(
    "--recordings",
    metavar="PLACE",
    help="Save recordings in this folder or object store instead: s3://BUCKET/PREFIX, gs:// or az://. Needs"
    " --audio; an archive in PostgreSQL has no folder, and requires it.",
)
@click.option(
    "--prune",
    type=click.Choice(["mark", "remove"]),
    help="Mark or remove conversations that were deleted at the service, within the part of the list that is read"
    " (see --lookback). Already marked conversations stay marked.",
)
@click.option(
    "--prune-limit",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Prune nothing if more than this share of the archive was deleted at the service. Ten conversations are"
    " always allowed, unless the limit is 0.",
)
@click.option(
    "--max-concurrency",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    metavar="N",
    help="Maximum number of conversations to fetch at the same time. Adapts to the service's limit. With --workspaces:"
    " of all workspaces together.",
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    metavar="N",
    help="With --workspaces: maximum number of workspaces to harvest at the same time.",
)
@click.option(
    "--share",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=1.0,
    show_default=True,
    metavar="SHARE",
    help="Share of the service's limit to use. A smaller share leaves room for other processes with the same key.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the N newest conversations.")
@click.option(
    "--same-workspace",
    is_flag=True,
    help="Accept another API key than the one that filled the archive, for example after a key rotation.",
)
@add_round_options
@click.option("--json", "as_json", is_flag=True, help="Print progress and report as JSON lines.")
@add_connection_options
@click.pass_context
def harvest_command(  # noqa: PLR0913 - the options, each by its name
    context: click.Context,
    /,
    archive: Location | None,
    *,
    workspaces: Path | None,
    at_once: int,
    every: timedelta | None,
    health_port: int | None,
    health_host: str,
    utc: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Download conversations into ARCHIVE, an SQLite file or the URL of a PostgreSQL database.

    Run the same command again to resume an interrupted harvest or to update the archive. An update fetches new
    conversations, conversations that were in progress or failed to download, and, within the lookback, conversations
    whose summary has changed (a new analysis or rating).

    Ctrl-C waits up to 30 seconds for running requests; a second Ctrl-C stops immediately. Saved conversations are
    never lost.
    """
    times = TimeFormatter(utc=utc)
    _check_options(context)
    harvest_once: Harvest
    if workspaces is not None:
        harvest_once = partial(
            harvest_workspaces,
            workspaces=read_workspaces(workspaces),
            times=times,
            as_json=as_json,
            at_once=at_once,
            timeout=options["timeout"],
            max_concurrency=options["max_concurrency"],
        )
    else:
        assert archive is not None  # noqa: S101 - checked above
        upgrade_archive(archive)
        harvest_once = partial(_harvest_once, archive=archive, times=times, as_json=as_json, **options)
    return asyncio.run(run_rounds(harvest_once, every=every, health_port=health_port, health_host=health_host))


def _check_options(context: click.Context) -> None:
    """Check that either an archive or workspaces are given, without the options of the other."""
    has_archive, has_workspaces = (context.params[name] is not None for name in ("archive", "workspaces"))
    if has_archive == has_workspaces:
        raise click.UsageError(
            "Missing argument 'ARCHIVE' (or --workspaces FILE)."
            if not has_archive
            else "Pass either ARCHIVE or --workspaces FILE, not both."
        )
    if context.params["recordings"] is not None and not context.params["audio"] and has_archive:
        raise click.UsageError("--recordings needs --audio.")
    for parameter in context.command.params:
        if not (parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE):
            continue
        if has_workspaces and parameter.name in _ARCHIVE_OPTIONS:
            raise click.UsageError(
                f"{parameter.opts[0]} cannot be combined with --workspaces: set it in the file, if it has such a field."
            )
        if has_archive and parameter.name == "at_once":
            raise click.UsageError("--at-once needs --workspaces.")


async def _harvest_once(
    monitor: HarvestMonitor,
    stop: anyio.Event,
    *,
    archive: Location,
    times: TimeFormatter,
    as_json: bool,
    **options: Any,
) -> int:
    """Harvest one archive, print the report, and return the exit code."""
    with create_display(times, as_json=as_json) as display:
        report = await _harvest(archive, display, monitor, stop, **options)
    try:
        print_output(encode_report("report", report) if as_json else _format_summary(archive, report, times))
    except OutputError:
        print_note(f"report of the harvest: {_format_summary(archive, report, times)}")
        raise
    if report.interrupted:
        return EXIT_INTERRUPTED
    return 0 if report.complete else EXIT_SOME_FAILED


async def _harvest(  # noqa: PLR0913 - the options, each by its name
    archive: Location,
    display: Display,
    monitor: HarvestMonitor,
    stop: anyio.Event,
    *,
    region: Any,
    base_url: str | None,
    sandbox: int | None,
    timeout: float,
    lookback: int,
    max_concurrency: int,
    share: float,
    **options: Any,
) -> HarvestReport:
    name = archive.name if isinstance(archive, Path) else archive.workspace
    workspace = Workspace(name=name, key="env:ELEVENLABS_API_KEY", archive=str(archive))
    with monitor.watch(workspace) as update:

        def progress(report: HarvestReport) -> None:
            update(report)
            display.update(report)

        async with open_client(
            region, base_url, sandbox, timeout=timeout, max_concurrency=max_concurrency, share=share
        ) as client:
            return await harvest(
                client,
                archive,
                source=get_source_name(client, sandbox),
                progress=progress,
                lookback=timedelta(days=lookback),
                max_concurrency=max_concurrency,
                stop=stop,
                **options,
            )


def _format_summary(archive: Location, report: HarvestReport, times: TimeFormatter) -> str:
    extras = f", {report.recordings:,} recordings" if report.recordings else ""
    extras += f", {report.deleted:,} deleted at the service" if report.deleted else ""
    reached = "" if report.reached_unix_secs is None else f", back to {times.format(report.reached_unix_secs)}"
    lines = [
        f"{archive}: {format_counts(report)}",
        f"{format_size(report.bytes)}{extras} in {report.seconds:.1f} s{reached}",
    ]
    if report.skipped:
        lines.append(f"{report.skipped:,} skipped, since they were deleted from the archive before")
    if report.undecodable:
        lines.append(
            f"{report.undecodable:,} could not be decoded and are stored as raw JSON only (see the column decode_error)"
        )
    if report.failed:
        lines.append(
            f"{report.failed:,} failed: see `{format_command('status', archive)}`; run the same"
            " command again to retry them"
        )
    if report.not_pruned:
        lines.append(
            f"nothing was pruned: {report.not_pruned:,} or more conversations are missing at the service, more than"
            " --prune-limit allows. Check that the API key is of the same workspace; if the conversations were deleted,"
            " raise the limit"
        )
    if report.interrupted:
        left = max(report.found - report.handled, 0)
        unread = "" if report.list_complete else ", and the list was not read to its end"
        lines.append(
            f"interrupted: {left:,} of the found conversations are left{unread};"
            f" resume with: {format_command(*sys.argv[1:])}"
        )
    return "\n".join(lines)
