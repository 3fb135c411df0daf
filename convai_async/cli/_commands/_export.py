"""``convai-async export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convai_async.archive import Archive
from convai_async.cli._options import ArchiveType, add_filter_options, build_archive_filters, format_examples
from convai_async.cli._output import STANDARD_OUTPUT, BinaryOutput, print_output

if TYPE_CHECKING:
    from datetime import datetime

    from convai_async.archive import Location


@click.command(
    "export",
    epilog=format_examples(
        "convai-async export calls.db calls.jsonl.zst",
        "convai-async export calls.db - --since 7d | jq .conversation.analysis",
        "convai-async export calls.db calls --partition",
        "convai-async export calls.db tables --all-tables",
    ),
)
@click.argument("archive", type=ArchiveType())
@click.argument("destination")
@add_filter_options
@click.option(
    "--table",
    metavar="TABLE",
    help="For CSV: the table to export, such as turns or evaluation_results; conversations by default.",
)
@click.option(
    "--format",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    help="The format for standard output (jsonl by default, or csv) and for --all-tables (parquet by default, or csv).",
)
@click.option("--all-tables", is_flag=True, help="Write a folder with one file per table, such as turns.parquet.")
@click.option("--partition", is_flag=True, help="For Parquet: write a folder with one file per day.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def export_command(  # noqa: PLR0913 - the options, each by its name
    archive: Location,
    destination: str,
    *,
    utc: bool,  # noqa: ARG001 - parsing --since and --until uses it
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
    format: Any,  # noqa: A002 - the option's name
    table: Any,
    partition: bool,
    all_tables: bool,
    force: bool,
) -> int:
    """Export the conversations of ARCHIVE to the file DESTINATION, or to standard output if it is -.

    The file name selects the format:

    \b
    .jsonl    the JSON of the service, unchanged; can be imported again
    .csv      the columns of one table (see --table)
    .parquet  a row for each conversation, with turns and tool calls nested

    Add .gz or .zst to .jsonl or .csv to compress the file.
    """  # noqa: D301 - click reads the backspace character
    _check_options(destination, table=table, format=format, partition=partition, all_tables=all_tables, force=force)
    filters = build_archive_filters(agent_id, since, until)
    with Archive.open(archive) as opened:
        if destination == STANDARD_OUTPUT:
            output = BinaryOutput()
            opened.export_to_stream(output, format=format or "jsonl", table=table, **filters)
            output.flush()
            return 0
        if all_tables:
            count = opened.export(destination, all_tables=True, format=format, **filters)
        else:
            count = opened.export(destination, table=table, partition=partition, overwrite=force, **filters)
    print_output(f"{destination}: {count:,} rows")
    return 0


def _check_options(  # noqa: PLR0913 - the options, each by its name
    destination: str,
    *,
    table: str | None,
    format: str | None,  # noqa: A002 - the option's name
    partition: bool,
    all_tables: bool,
    force: bool,
) -> None:
    """Check that the options can be combined.

    Raises:
        click.UsageError: They cannot.
    """
    if destination == STANDARD_OUTPUT:
        if partition or force or all_tables:
            raise click.UsageError("--partition, --all-tables and --force are for files, not for standard output")
        if format == "parquet":
            raise click.UsageError("--format parquet is for --all-tables: standard output is jsonl or csv")
    elif all_tables:
        if table is not None or partition or force:
            raise click.UsageError("--all-tables cannot be combined with --table, --partition or --force")
        if format == "jsonl":
            raise click.UsageError("--all-tables writes parquet or csv")
    elif format is not None:
        raise click.UsageError(
            "--format is for standard output and --all-tables: the name of a file selects its format"
        )
    elif Path(destination).is_file() and not force:
        raise click.UsageError(f"{destination!r} already exists: choose another file, or add --force")
