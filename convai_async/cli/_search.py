"""``convai-async search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from convai_async.archive import Archive
from convai_async.cli._moments import Clock
from convai_async.cli._options import archive_filters, examples, filter_options, json_lines_option
from convai_async.cli._output import is_terminal, note, write, write_rich
from convai_async.cli._terminal import clock_time, one_line

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text

    from convai_async.archive import SearchHit


@click.command(
    "search",
    epilog=examples(
        "convai-async search calls.db '\"my order\" refund*' --since 7d",
    ),
)
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("text")
@filter_options
@click.option(
    "--limit", type=click.IntRange(min=1, max=2**63 - 1), default=50, show_default=True, help="How many at most."
)
@json_lines_option
def search_command(  # noqa: PLR0913 - the options, each by its name
    archive: Path,
    text: str,
    *,
    utc: bool,
    limit: int,
    as_json: bool,
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> int:
    """Find the turns in ARCHIVE that hold all words of TEXT, newest conversations first.

    Case and accents do not matter. "in quotes" finds words next to each other; refund* finds words that begin
    like this.
    """
    filters, clock, shown = archive_filters(agent_id, since, until), Clock(utc=utc), 0
    with Archive.open(archive) as opened:
        for hit in opened.search(text, limit=limit, **filters):
            shown += 1
            if as_json:
                write(msgspec.json.encode(hit))
            elif is_terminal():
                write_rich(_line(hit, clock), wrap=False)
            else:
                where = f"{clock.write(hit.start_time_unix_secs)}  {one_line(hit.conversation_id)}"
                write(f"{where} {_speaker(hit)}: {one_line(hit.message)}")
        total = opened.count_hits(text, **filters) if shown == limit else shown
    if not shown:
        filtered = (
            " in conversations that match the filters" if any(each is not None for each in filters.values()) else ""
        )
        note(f"no turn holds all of these words{filtered}")
    elif total > shown:
        note(f"Showing {shown:,} of {total:,}: raise --limit.")
    return 0


def _line(hit: SearchHit, clock: Clock) -> Text:
    from rich.text import Text  # noqa: PLC0415 - not needed in a pipe

    return Text.assemble(
        (clock.show(hit.start_time_unix_secs, seconds=False), "dim"),
        f"  {one_line(hit.conversation_id)} ",
        (_speaker(hit), "cyan"),
        f": {one_line(hit.message)}",
    )


def _speaker(hit: SearchHit) -> str:
    return f"{clock_time(hit.time_in_call_secs):>6} {one_line(hit.role)}"
