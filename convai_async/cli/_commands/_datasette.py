"""``convai-async datasette``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from convai_async.archive import build_datasette_metadata
from convai_async.cli._options import ArchiveType, format_examples
from convai_async.cli._output import print_output

if TYPE_CHECKING:
    from convai_async.archive import Location


@click.command(
    "datasette",
    epilog=format_examples(
        "convai-async datasette calls.db > metadata.yml",
        "datasette calls.db --metadata metadata.yml --setting sql_time_limit_ms 20000",
    ),
)
@click.argument("archive", type=ArchiveType())
def datasette_command(archive: Location) -> int:
    """Print the metadata of ARCHIVE for Datasette.

    Datasette then shows descriptions of tables and columns, units and facets, and answers the questions of the
    documentation. The output is JSON, which is valid YAML.
    """
    print_output(msgspec.json.format(msgspec.json.encode(build_datasette_metadata(archive)), indent=2))
    return 0
