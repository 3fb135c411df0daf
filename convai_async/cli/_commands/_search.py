"""``convai-async search``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from convai_async._support.text import format_call_time
from convai_async.archive import Archive
from convai_async.cli._formatting import to_single_line
from convai_async.cli._options import (
    ArchiveType,
    add_filter_options,
    build_archive_filters,
    format_examples,
    json_lines_option,
)
from convai_async.cli._output import is_terminal, print_note, print_output, print_rich
from convai_async.cli._times import TimeFormatter

if TYPE_CHECKING:
    from datetime import datetime

    from convai_async.archive import Location, SearchHit


@click.command(
    "search",
    epilog=format_examples(
        "convai-async search calls.db '\"your order\" sorry*' --since 7d",
    ),
)
@click.argument("archive", type=ArchiveType())
@click.argument("text")
@add_filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=10**9),
    default=50,
    show_default=True,
    metavar="N",
    help="Maximum number of results.",
)
@json_lines_option
def search_command(  # noqa: PLR0913 - the options, each by its name
    archive: Location,
    text: str,
    *,
    utc: bool,
    limit: int,
    as_json: bool,
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> int:
    """Search ARCHIVE for turns that contain all words of TEXT, newest conversations first.

    The search ignores case and accents. Put a phrase in double quotes; refund* finds words that begin with refund.
    """
    filters, times, shown = build_archive_filters(agent_id, since, until), TimeFormatter(utc=utc), 0
    with Archive.open(archive) as opened:
        for hit in opened.search(text, limit=limit, **filters):
            shown += 1
            if as_json:
                print_output(msgspec.json.encode(hit))
            else:
                _print_hit(hit, times)
        total = opened.count_hits(text, **filters) if shown == limit else shown
    if not shown:
        is_filtered = any(each is not None for each in filters.values())
        print_note("no results" + (" in conversations that match the filters" if is_filtered else ""))
    elif total > shown:
        print_note(f"showing {shown:,} of {total:,} results; use --limit to show more")
    return 0


def _print_hit(hit: SearchHit, times: TimeFormatter) -> None:
    conversation_id, message = to_single_line(hit.conversation_id), to_single_line(hit.message)
    speaker = f"{format_call_time(hit.time_in_call_secs):>6} {to_single_line(hit.role)}"
    if not is_terminal():
        print_output(f"{times.format_iso(hit.start_time_unix_secs)}  {conversation_id} {speaker}: {message}")
        return
    from rich.text import Text  # noqa: PLC0415 - not needed in a pipe

    start = times.format(hit.start_time_unix_secs, seconds=False)
    print_rich(Text.assemble((start, "dim"), f"  {conversation_id} ", (speaker, "cyan"), f": {message}"), wrap=False)
