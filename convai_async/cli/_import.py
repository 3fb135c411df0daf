"""``convai-async import``."""

from __future__ import annotations

from pathlib import Path

import click

from convai_async.archive import Archive
from convai_async.cli._options import examples
from convai_async.cli._output import write


@click.command(
    "import",
    epilog=examples(
        "convai-async import copy.db calls.jsonl.zst",
    ),
)
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True))
def import_command(archive: Path, file: Path) -> int:
    """Read FILE, which `export` wrote as .jsonl, .jsonl.gz or .jsonl.zst, into ARCHIVE."""
    with Archive.open(archive, create=True) as opened:
        count = opened.import_(file)
    write(f"{archive}: {count:,} conversations imported")
    return 0
