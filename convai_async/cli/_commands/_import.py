"""``convai-async import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from convai_async.archive import Archive
from convai_async.cli._options import ArchiveType, format_examples
from convai_async.cli._output import print_output
from convai_async.cli._upgrade import upgrade_archive

if TYPE_CHECKING:
    from convai_async.archive import Location


@click.command(
    "import",
    epilog=format_examples(
        "convai-async import copy.db calls.jsonl.zst",
    ),
)
@click.argument("archive", type=ArchiveType())
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True))
def import_command(archive: Location, file: Path) -> int:
    """Import FILE into ARCHIVE, which is created if it does not exist.

    FILE is a .jsonl, .jsonl.gz or .jsonl.zst file written by the command export. Conversations with the same id are
    replaced.
    """
    upgrade_archive(archive)
    with Archive.open(archive, create=True) as opened:
        count = opened.import_(file)
    print_output(f"{archive}: imported {count:,} conversations")
    return 0
