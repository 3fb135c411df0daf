"""``convai-async list``."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import click

from convai_async.cli._moments import Clock
from convai_async.cli._options import connection_options, examples, filter_options, json_lines_option, open_client
from convai_async.cli._output import is_terminal, note, service_json, write, write_rich
from convai_async.cli._terminal import RESULT_STYLES, clock_time, one_line
from convai_async.endpoints import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table
    from rich.text import Text

    from convai_async.models import ConversationSummary

_COLUMNS = ("conversation", "started", "length", "result", "agent", "title")
_OPTIONAL = ("length", "agent")
"""Columns that a narrow terminal goes without, the most useful first."""
_TITLE_WIDTH = 18
_AGENT_WIDTH = 20
_GAP = 2


@click.command(
    "list",
    epilog=examples(
        "convai-async list --since yesterday --limit 100",
    ),
)
@filter_options
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="How many at most.")
@json_lines_option
@connection_options
def list_command(  # noqa: PLR0913 - the options, each by its name
    limit: int,
    *,
    utc: bool,
    as_json: bool,
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
    **connection: Any,
) -> int:
    """List conversations, newest first.

    On a terminal as a table; a wide one shows more columns. In a pipe as lines with tabs between the columns: id,
    start, length, status, success, agent, title. With --json each line is the service's own object.
    """
    filters = {"agent_id": agent_id, "call_start_after_unix": since, "call_start_before_unix": until}
    summaries = asyncio.run(_fetch(filters, limit + 1, connection))  # one more tells whether there are more
    shown, clock = summaries[:limit], Clock(utc=utc)
    if as_json:
        for summary in shown:
            write(service_json(summary))
    elif is_terminal():
        if shown:
            write_rich(_table(shown, clock, shutil.get_terminal_size().columns))
    else:
        for summary in shown:
            write("\t".join(_fields(summary, clock)))
    if not summaries:
        note("no conversations" + (" match these filters" if any(filters.values()) else ""))
    elif len(summaries) > limit:
        note(f"Showing {limit:,}; more exist: raise --limit.")
    return 0


async def _fetch(filters: dict[str, Any], count: int, connection: dict[str, Any]) -> list[ConversationSummary]:
    async with open_client(**connection) as client:
        summaries = client.conversations.list(**filters, page_size=min(count, MAX_PAGE_SIZE))
        return await summaries.collect(max_items=count)


def _fields(summary: ConversationSummary, clock: Clock) -> tuple[str, ...]:
    """Return the facts for programs."""
    return (
        one_line(summary.conversation_id),
        clock.write(summary.start_time_unix_secs),
        clock_time(summary.call_duration_secs),
        one_line(summary.status),
        one_line(summary.call_successful),
        one_line(summary.agent_name or summary.agent_id),
        one_line(summary.call_summary_title),
    )


def _cells(summary: ConversationSummary, clock: Clock) -> dict[str, str]:
    """Return the facts for people, by column."""
    status, success = one_line(summary.status), one_line(summary.call_successful)
    return {
        "conversation": one_line(summary.conversation_id),
        "started": clock.show(summary.start_time_unix_secs, seconds=False),
        "length": clock_time(summary.call_duration_secs),
        "result": success if status == "done" and success else status,
        "agent": one_line(summary.agent_name or summary.agent_id),
        "title": one_line(summary.call_summary_title),
    }


def _table(summaries: list[ConversationSummary], clock: Clock, width: int) -> Table:
    from rich.table import Table  # noqa: PLC0415 - not needed in a pipe

    rows = [_cells(summary, clock) for summary in summaries]
    columns = _columns(rows, width)
    table = Table(box=None, header_style="bold", padding=(0, _GAP, 0, 0), pad_edge=False)
    for name in columns:
        header = f"started ({clock.zone})" if name == "started" and clock.zone == "UTC" else name
        table.add_column(
            header,
            no_wrap=name not in {"title", "agent"},  # rich narrows columns that may wrap: ids and facts are never cut
            justify="right" if name == "length" else "left",
            max_width=_AGENT_WIDTH if name == "agent" else None,
        )
    for row in rows:
        # As texts, since a title is not markup.
        table.add_row(*(_styled(name, row[name]) for name in columns))
    return table


def _styled(column: str, content: str) -> Text:
    from rich.text import Text  # noqa: PLC0415 - not needed in a pipe

    style = RESULT_STYLES.get(content, "") if column == "result" else ""
    return Text(content, style, no_wrap=True, overflow="ellipsis")


def _columns(rows: list[dict[str, str]], width: int) -> list[str]:
    """Return the columns that fit and leave the titles room."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in _COLUMNS}
    widths |= {"title": _TITLE_WIDTH, "agent": min(widths["agent"], _AGENT_WIDTH)}
    left_out = set(_OPTIONAL)
    for name in _OPTIONAL:
        shown = [each for each in _COLUMNS if each not in left_out or each == name]
        if sum(widths[each] for each in shown) + _GAP * (len(shown) - 1) <= width:
            left_out.discard(name)
    return [name for name in _COLUMNS if name not in left_out]
