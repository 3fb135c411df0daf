"""``convai-async harvest``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convai_async.cli._options import connection_options, filter_options, open_client, source_name
from convai_async.cli._progress import counts, display, final_json
from convai_async.cli._terminal import byte_count
from convai_async.harvest import HarvestReport, harvest

if TYPE_CHECKING:
    from convai_async.cli._progress import Display


@click.command("harvest", short_help="Read conversations into a database; again to bring it up to date.")
@click.argument("archive", type=click.Path(path_type=Path))
@filter_options
@click.option("--audio", is_flag=True, help="Save recordings too, as audio/<id>.mp3 beside the archive.")
@click.option(
    "--max-concurrency",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="How many to fetch at the same time at most; fewer where the service allows fewer.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Look at so many conversations at most, the newest.")
@click.option("--json", "as_json", is_flag=True, help="Progress and report as JSON lines.")
@connection_options
def harvest_command(archive: Path, *, as_json: bool, **options: Any) -> int:
    """Read conversations into ARCHIVE, a SQLite file that any SQLite tool can query.

    Run the same command again to resume, or to bring the archive up to date: conversations that are in it and
    done or failed are not fetched again. What could not be fetched is tried again.
    """
    with display(as_json=as_json) as progress:
        report = asyncio.run(_harvest(archive, progress, **options))
    if as_json:
        click.echo(final_json(report))
    else:
        click.echo(_summary(archive, report))
    return 0 if report.complete else 1


async def _harvest(
    archive: Path, progress: Display, *, region: Any, base_url: str | None, sandbox: int | None, **options: Any
) -> HarvestReport:
    async with open_client(region, base_url, sandbox) as client:
        return await harvest(client, archive, source=source_name(client, sandbox), progress=progress.update, **options)


def _summary(archive: Path, report: HarvestReport) -> str:
    recordings = f", {report.recordings:,} recordings" if report.recordings else ""
    text = f"{archive}: {counts(report)}; {byte_count(report.bytes)}{recordings} in {report.seconds:.1f} s"
    if report.undecodable:
        text += f"\n{report.undecodable:,} are kept as raw JSON only: see the column decode_error"
    if report.failed:
        text += f"\n{report.failed:,} failed: see `convai-async status {archive}`; the same command tries them again"
    return text
