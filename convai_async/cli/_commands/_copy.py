"""``convai-async copy``."""

from __future__ import annotations

import click

from convai_async.archive import copy_archive
from convai_async.cli._options import format_examples
from convai_async.cli._output import print_output


@click.command(
    "copy",
    epilog=format_examples(
        "convai-async copy calls.db 'postgresql://db/convai?workspace=acme'",
        "convai-async copy 'postgresql://db/convai?workspace=acme' calls.db",
    ),
)
@click.argument("source")
@click.argument("destination")
def copy_command(source: str, destination: str) -> int:
    """Copy the archive SOURCE to DESTINATION, which is created if it does not exist.

    Each is an SQLite file or the URL of a PostgreSQL database. Every conversation is read again from the copy and
    compared. Run the same command again to continue after an interruption, or to add what is new. Recordings are not
    copied: the copy refers to where they are.
    """
    report = copy_archive(source, destination)
    present = report.conversations - report.copied - report.skipped
    skipped = f", {report.skipped:,} skipped, since they were deleted from it before" if report.skipped else ""
    print_output(
        f"{report.copied:,} conversations copied, {present:,} were there already{skipped};"
        f" SHA-256 of all documents: {report.sha256}"
    )
    return 0
