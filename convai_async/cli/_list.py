"""``convai-async list``."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from convai_async.calls import MAX_PAGE_SIZE
from convai_async.cli._options import connection_options, filter_options, open_client
from convai_async.cli._terminal import clock_time, one_line, utc

if TYPE_CHECKING:
    from datetime import datetime

    from convai_async.models import ConversationSummary

_TO_THE_MINUTE = len("2026-01-31 23:59")
_COLUMNS = ("conversation", "started (UTC)", "length", "status", "success", "agent", "title")


@click.command("list", short_help="List conversations, newest first.")
@filter_options
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@connection_options
def list_command(
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    *,
    as_json: bool,
    **connection: Any,
) -> int:
    """List conversations, newest first.

    On a terminal as a table, else as lines with tabs between the columns.
    """
    summaries = asyncio.run(_fetch(agent_id, since, until, limit, connection))
    if as_json:
        for summary in summaries:
            click.echo(msgspec.json.encode(summary))
    elif sys.stdout.isatty():
        table = Table(box=None, header_style="bold")
        for name in _COLUMNS:
            # Columns that may wrap are narrowed first: names, and not ids and facts.
            table.add_column(name, no_wrap=name not in {"agent", "title"})
        for summary in summaries:
            # As texts, since a title is no markup.
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in _cells(summary)))
        Console().print(table)
    else:
        for summary in summaries:
            click.echo("\t".join(_cells(summary)))
    return 0


async def _fetch(
    agent_id: str | None, since: datetime | None, until: datetime | None, limit: int, connection: dict[str, Any]
) -> list[ConversationSummary]:
    async with open_client(**connection) as client:
        summaries = client.conversations.list(
            agent_id=agent_id,
            call_start_after_unix=since,
            call_start_before_unix=until,
            page_size=min(limit, MAX_PAGE_SIZE),
        )
        return await summaries.collect(max_items=limit)


def _cells(summary: ConversationSummary) -> tuple[str, ...]:
    return (
        one_line(summary.conversation_id),
        utc(summary.start_time_unix_secs)[:_TO_THE_MINUTE],
        clock_time(summary.call_duration_secs),
        one_line(summary.status),
        one_line(summary.call_successful),
        one_line(summary.agent_name or summary.agent_id),
        one_line(summary.call_summary_title),
    )
