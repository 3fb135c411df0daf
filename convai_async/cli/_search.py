"""``convai-async search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from convai_async.cli._options import archive_filters, filter_options
from convai_async.cli._terminal import clock_time, one_line, utc
from convai_async.harvest import Archive

if TYPE_CHECKING:
    from datetime import datetime


@click.command("search", short_help="Find what was said.")
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("text")
@filter_options
@click.option(
    "--limit", type=click.IntRange(min=1, max=2**63 - 1), default=50, show_default=True, help="How many at most."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def search_command(  # noqa: PLR0913, PLR0917 - the options, each by its name
    archive: Path,
    text: str,
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    *,
    as_json: bool,
) -> int:
    """Find the turns in ARCHIVE that hold all words of TEXT, newest conversations first.

    Case and accents do not matter. "in quotes" finds words next to each other, refund* whatever begins so.
    """
    found = False
    with Archive.open(archive) as opened:
        for hit in opened.search(text, limit=limit, **archive_filters(agent_id, since, until)):
            found = True
            if as_json:
                click.echo(msgspec.json.encode(hit))
            else:
                where = f"{utc(hit.start_time_unix_secs)}  {one_line(hit.conversation_id)}"
                who = f"{clock_time(hit.time_in_call_secs):>6} {one_line(hit.role)}"
                click.echo(f"{where} {who}: {one_line(hit.message)}")
    if not found:
        click.echo("no turn holds all of these words", err=True)
    return 0
