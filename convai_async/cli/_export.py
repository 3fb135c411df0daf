"""``convai-async export`` and ``convai-async import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convai_async.cli._options import archive_filters, filter_options
from convai_async.harvest import Archive
from convai_async.harvest.export import export, import_jsonl

if TYPE_CHECKING:
    from datetime import datetime


@click.command("export", short_help="Write an archive's conversations to a file for other programs.")
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("destination", type=click.Path(path_type=Path))
@filter_options
@click.option(
    "--table",
    type=click.Choice(["conversations", "turns", "tool_calls"]),
    help="For .csv: which table; the conversations by default.",
)
@click.option("--partition", is_flag=True, help="For .parquet: a folder with a part for each day.")
def export_command(
    archive: Path,
    destination: Path,
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
    **options: Any,
) -> int:
    """Write the conversations of ARCHIVE to DESTINATION, in the format that its name ends with.

    .jsonl has all that the service sent, byte for byte, and can be imported; .csv has one table's columns;
    .parquet has the columns with the turns and tool calls nested. .jsonl and .csv can end in .gz or .zst.
    """
    with Archive.open(archive) as opened:
        count = export(opened, destination, **archive_filters(agent_id, since, until), **options)
    click.echo(f"{destination}: {count:,} rows")
    return 0


@click.command("import", short_help="Read an exported file back into an archive.")
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_command(archive: Path, file: Path) -> int:
    """Read FILE, which `export` wrote as .jsonl, .jsonl.gz or .jsonl.zst, into ARCHIVE."""
    count = import_jsonl(archive, file)
    click.echo(f"{archive}: {count:,} conversations imported")
    return 0
