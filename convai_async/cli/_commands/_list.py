"""``convai-async list``."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import click

from convai_async._support.text import format_call_time
from convai_async.cli._formatting import RESULT_STYLES, to_single_line
from convai_async.cli._options import (
    add_connection_options,
    add_filter_options,
    format_examples,
    json_lines_option,
    open_client,
)
from convai_async.cli._output import dump_json_line, is_terminal, print_note, print_output, print_rich
from convai_async.cli._times import TimeFormatter
from convai_async.endpoints import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table
    from rich.text import Text

    from convai_async.models import ConversationSummary

_COLUMNS = ("conversation", "started", "length", "result", "agent", "title")
_OPTIONAL = ("length", "agent")
"""Columns to leave out on a narrow terminal, the most useful first."""
_TITLE_WIDTH = 18
_AGENT_WIDTH = 20
_GAP = 2


@click.command(
    "list",
    epilog=format_examples(
        "convai-async list --since yesterday --limit 100",
    ),
)
@add_filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    metavar="N",
    help="Maximum number of conversations.",
)
@json_lines_option
@add_connection_options
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

    Prints a table on a terminal; a wide terminal shows more columns. Otherwise prints tab-separated lines: id, start
    time, duration, status, result, agent, title. With --json prints the JSON of the service, one object per line.
    """
    filters = {"agent_id": agent_id, "call_start_after_unix": since, "call_start_before_unix": until}
    summaries = asyncio.run(_fetch(filters, limit + 1, connection))  # one more, to know whether there are more
    shown, times = summaries[:limit], TimeFormatter(utc=utc)
    if as_json:
        for summary in shown:
            print_output(dump_json_line(summary))
    elif is_terminal():
        if shown:
            print_rich(_build_table(shown, times, shutil.get_terminal_size().columns))
    else:
        for summary in shown:
            print_output("\t".join(_format_fields(summary, times)))
    if not summaries:
        print_note("no conversations" + (" match the filters" if any(filters.values()) else ""))
    elif len(summaries) > limit:
        print_note(f"showing the first {limit:,}; use --limit to show more")
    return 0


async def _fetch(filters: dict[str, Any], count: int, connection: dict[str, Any]) -> list[ConversationSummary]:
    async with open_client(**connection) as client:
        summaries = client.conversations.list(**filters, page_size=min(count, MAX_PAGE_SIZE))
        return await summaries.collect(max_items=count)


def _format_fields(summary: ConversationSummary, times: TimeFormatter) -> tuple[str, ...]:
    """Return the columns for programs."""
    return (
        to_single_line(summary.conversation_id),
        times.format_iso(summary.start_time_unix_secs),
        format_call_time(summary.call_duration_secs),
        to_single_line(summary.status),
        to_single_line(summary.call_successful),
        to_single_line(summary.agent_name or summary.agent_id),
        to_single_line(summary.call_summary_title),
    )


def _format_cells(summary: ConversationSummary, times: TimeFormatter) -> dict[str, str]:
    """Return the table cells by column."""
    status, success = to_single_line(summary.status), to_single_line(summary.call_successful)
    return {
        "conversation": to_single_line(summary.conversation_id),
        "started": times.format(summary.start_time_unix_secs, seconds=False),
        "length": format_call_time(summary.call_duration_secs),
        "result": success if status == "done" and success else status,
        "agent": to_single_line(summary.agent_name or summary.agent_id),
        "title": to_single_line(summary.call_summary_title),
    }


def _build_table(summaries: list[ConversationSummary], times: TimeFormatter, width: int) -> Table:
    from rich.table import Table  # noqa: PLC0415 - not needed in a pipe

    rows = [_format_cells(summary, times) for summary in summaries]
    columns = _choose_columns(rows, width)
    table = Table(box=None, header_style="bold", padding=(0, _GAP, 0, 0), pad_edge=False)
    for name in columns:
        header = f"started ({times.zone_name})" if name == "started" and times.zone_name == "UTC" else name
        table.add_column(
            header,
            no_wrap=name not in {"title", "agent"},  # rich shortens only columns that may wrap: ids are never cut
            justify="right" if name == "length" else "left",
            max_width=_AGENT_WIDTH if name == "agent" else None,
        )
    for row in rows:
        # As Text, since a title may contain rich markup.
        table.add_row(*(_style_cell(name, row[name]) for name in columns))
    return table


def _style_cell(column: str, content: str) -> Text:
    from rich.text import Text  # noqa: PLC0415 - not needed in a pipe

    style = RESULT_STYLES.get(content, "") if column == "result" else ""
    return Text(content, style, no_wrap=True, overflow="ellipsis")


def _choose_columns(rows: list[dict[str, str]], width: int) -> list[str]:
    """Return the columns that fit into the width and leave room for the title."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in _COLUMNS}
    widths |= {"title": _TITLE_WIDTH, "agent": min(widths["agent"], _AGENT_WIDTH)}

    def fits(names: list[str]) -> bool:
        return sum(widths[each] for each in names) + _GAP * (len(names) - 1) <= width

    left_out = set(_OPTIONAL)
    for name in _OPTIONAL:
        if fits([each for each in _COLUMNS if each not in left_out or each == name]):
            left_out.discard(name)
    shown = [name for name in _COLUMNS if name not in left_out]
    widths["title"] = len("title")
    for name in ("title", "started"):  # on a very narrow terminal, so that ids and results are not cut
        if not fits(shown):
            shown.remove(name)
    return shown
