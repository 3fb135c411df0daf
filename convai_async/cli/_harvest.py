"""``convai-async harvest``."""

from __future__ import annotations

import asyncio
import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from convai_async.cli._exit_codes import EXIT_INTERRUPTED, EXIT_SOME_FAILED
from convai_async.cli._moments import Clock
from convai_async.cli._options import connection_options, examples, filter_options, open_client, source_name
from convai_async.cli._output import OutputError, note, write
from convai_async.cli._progress import counts, display, report_json
from convai_async.cli._signals import orderly_end
from convai_async.cli._terminal import byte_count
from convai_async.harvest import HarvestReport, harvest

if TYPE_CHECKING:
    from convai_async.cli._progress import Display


@click.command(
    "harvest",
    epilog=examples(
        "convai-async harvest calls.db --sandbox",
        "convai-async harvest calls.db --since 30d --audio",
    ),
)
@click.argument("archive", type=click.Path(path_type=Path))
@filter_options
@click.option(
    "--lookback",
    type=click.IntRange(min=0, max=timedelta.max.days),
    default=3,
    show_default=True,
    metavar="DAYS",
    help="How much of the list that was read before to read again, back from the newest conversation.",
)
@click.option("--audio", is_flag=True, help="Save recordings too, as audio/<id>.mp3 beside the archive.")
@click.option(
    "--prune",
    type=click.Choice(["mark", "remove"]),
    help="What to do with conversations that the service has deleted, in the part of the list that is read (see"
    " --lookback); kept by default. Those that an earlier run marked stay marked.",
)
@click.option(
    "--prune-limit",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="The largest share of the archive that --prune may mark or remove; if there are more, it does neither."
    " Ten are always allowed, unless it is 0.",
)
@click.option(
    "--max-concurrency",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="The most conversations to fetch at the same time; fewer if the service allows fewer.",
)
@click.option(
    "--share",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=1.0,
    show_default=True,
    help="The share of the service's limit to use: less leaves room for other processes with the same key.",
)
@click.option("--limit", type=click.IntRange(min=1), help="The most conversations to look at, newest first.")
@click.option(
    "--same-workspace",
    is_flag=True,
    help="Accept a different API key than the one that filled the archive, for example after it was replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="Progress and report as JSON lines.")
@connection_options
def harvest_command(archive: Path, *, lookback: int, as_json: bool, utc: bool, **options: Any) -> int:
    """Read conversations into ARCHIVE, a SQLite file that any SQLite tool can query.

    Run the same command again to resume, or to bring the archive up to date. Read again are: conversations
    that were not done or failed, whatever could not be fetched, and within the lookback those whose line in
    the list has changed, as after a new analysis or a rating.

    Ctrl-C finishes what is under way, within 30 s; a second one stops at once. Nothing that was written is lost
    either way.
    """
    clock = Clock(utc=utc)
    with display(clock, as_json=as_json) as progress:
        report = asyncio.run(_harvest(archive, progress, lookback=timedelta(days=lookback), **options))
    try:
        write(report_json("report", report) if as_json else _summary(archive, report, clock))
    except OutputError:
        note(f"The harvest itself has ended: {_summary(archive, report, clock)}")
        raise
    if report.interrupted:
        return EXIT_INTERRUPTED
    return 0 if report.complete else EXIT_SOME_FAILED


async def _harvest(  # noqa: PLR0913 - the options, each by its name
    archive: Path,
    progress: Display,
    *,
    region: Any,
    base_url: str | None,
    sandbox: int | None,
    timeout: float,
    max_concurrency: int,
    share: float,
    **options: Any,
) -> HarvestReport:
    stop = anyio.Event()
    async with open_client(
        region, base_url, sandbox, timeout=timeout, max_concurrency=max_concurrency, share=share
    ) as client:
        with orderly_end(stop, "finishing what is under way; Ctrl-C again to stop at once"):
            return await harvest(
                client,
                archive,
                source=source_name(client, sandbox),
                progress=progress.update,
                max_concurrency=max_concurrency,
                stop=stop,
                **options,
            )


def _summary(archive: Path, report: HarvestReport, clock: Clock) -> str:
    extras = f", {report.recordings:,} recordings" if report.recordings else ""
    extras += f", {report.deleted:,} gone from the service" if report.deleted else ""
    reached = "" if report.reached_unix_secs is None else f", back to {clock.show(report.reached_unix_secs)}"
    lines = [
        f"{archive}: {counts(report)}",
        f"{byte_count(report.bytes)}{extras} in {report.seconds:.1f} s{reached}",
    ]
    if report.undecodable:
        lines.append(f"{report.undecodable:,} are kept as raw JSON only: see the column decode_error")
    if report.failed:
        lines.append(
            f"{report.failed:,} failed: see `convai-async status {archive}`; the same command tries them again"
        )
    if report.not_pruned:
        lines.append(
            f"nothing was pruned: more conversations than --prune-limit allows ({report.not_pruned:,} or more) are gone"
            " from the service. Is the API key of the same workspace? If they were deleted, run it with a higher limit"
        )
    if report.interrupted:
        left = max(report.found - report.handled, 0)
        to_list = f", and about {report.to_list:,} or more are still to be listed" if report.to_list else ""
        lines.append(
            f"interrupted: {left:,} of those found are left{to_list};"
            f" go on with: {shlex.join(['convai-async', *sys.argv[1:]])}"
        )
    return "\n".join(lines)
