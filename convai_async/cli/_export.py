"""``convai-async export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convai_async.archive import Archive
from convai_async.cli._options import archive_filters, examples, filter_options
from convai_async.cli._output import STANDARD_OUTPUT, BinaryOutput, write

if TYPE_CHECKING:
    from datetime import datetime


@click.command(
    "export",
    epilog=examples(
        "convai-async export calls.db calls.jsonl.zst",
        "convai-async export calls.db - --since 7d | jq .conversation.analysis",
        "convai-async export calls.db calls --partition",
    ),
)
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("destination")
@filter_options
@click.option(
    "--table",
    type=click.Choice(["conversations", "turns", "tool_calls"]),
    help="For CSV: which table; the conversations by default.",
)
@click.option(
    "--format", type=click.Choice(["jsonl", "csv"]), help="What to write to standard output; jsonl by default."
)
@click.option("--partition", is_flag=True, help="For Parquet: DESTINATION becomes a folder with a part for each day.")
@click.option("--force", is_flag=True, help="Replace DESTINATION if it exists.")
def export_command(  # noqa: PLR0913 - the options, each by its name
    archive: Path,
    destination: str,
    *,
    utc: bool,  # noqa: ARG001 - --since and --until have read it
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
    format: Any,  # noqa: A002 - the option's name
    table: Any,
    partition: bool,
    force: bool,
) -> int:
    """Write the conversations of ARCHIVE to DESTINATION, in the format that its name ends with.

    .jsonl has all that the service sent, byte for byte, and can be imported; .csv has one table's columns;
    .parquet has the columns with the turns and tool calls nested. .jsonl and .csv can end in .gz or .zst.
    A DESTINATION of - is standard output.
    """
    filters = archive_filters(agent_id, since, until)
    to_stdout = destination == STANDARD_OUTPUT
    if to_stdout and (partition or force):
        raise click.UsageError("--partition and --force are for files, not for standard output")
    if format is not None and not to_stdout:
        raise click.UsageError("--format is for standard output: the name of a file says its format")
    if not force and not to_stdout and Path(destination).is_file():
        raise click.UsageError(f"{destination!r} exists already: name another file, or add --force")
    with Archive.open(archive) as opened:
        if to_stdout:
            output = BinaryOutput()
            opened.export_to_stream(output, format=format or "jsonl", table=table, **filters)
            output.flush()
            return 0
        count = opened.export(destination, table=table, partition=partition, overwrite=force, **filters)
    write(f"{destination}: {count:,} rows")
    return 0
