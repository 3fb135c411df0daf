"""The tools of the MCP server. Their signatures and docstrings are what an assistant sees."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from convai_async._support.timestamps import to_utc_datetime
from convai_async.archive import Bucket, Dimension, Metric, compute_statistics, describe_tables, list_calls
from convai_async.archive._queries._search import find_hits
from convai_async.mcp._conversation import read_overview, read_turns
from convai_async.mcp._query_process import run_in_process
from convai_async.mcp._untrusted import format_rows, mark_untrusted, shorten

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from convai_async.archive import SearchHit

_MAX_TEXT = 2000

Agent = Annotated[str | None, Field(description="Only conversations of the agent with this id.")]
Since = Annotated[
    AwareDatetime | date | None,
    Field(description="Only conversations that started then or later: 2026-01-31 (UTC) or 2026-01-31T09:00:00+01:00."),
]
Until = Annotated[
    AwareDatetime | date | None, Field(description="Only conversations that started before then (same formats).")
]
TextLength = Annotated[int, Field(ge=100, le=20_000, description="Cut each text after this many characters.")]


class Tools:
    """The tools, for one archive.

    Args:
        path: The archive.
        stop: An event that interrupts a search or SQL when it is set.
    """

    def __init__(self, path: Path, stop: Event) -> None:
        self._path = path
        self._stop = stop

    def search(
        self,
        text: Annotated[
            str, Field(description='Words that a turn must all contain; "a phrase" in quotes; refund* finds prefixes.')
        ],
        agent_id: Agent = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> str:
        """Search what users and agents said, newest conversations first.

        Each hit is a turn: use `show` with its conversation_id for the turns around it. `total` is the number of hits,
        of which at most 1,000 are counted.
        """
        found = find_hits(self._path, text, agent_id=agent_id, since=since, until=until, limit=limit, stop=self._stop)
        total = f"more than {found.total:,}" if found.has_more else found.total
        return mark_untrusted({"total": total, "hits": [_format_hit(hit) for hit in found.hits]})

    def calls(
        self,
        result: Annotated[
            Literal["success", "failure", "unknown"] | None, Field(description="Only conversations with this result.")
        ] = None,
        agent_id: Agent = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> str:
        """List conversations, newest first: id, start (UTC), agent, result, title, seconds, cost, why it ended."""
        return format_rows(
            list_calls(self._path, call_successful=result, agent_id=agent_id, since=since, until=until, max_rows=limit),
            _MAX_TEXT,
        )

    def show(
        self,
        conversation_id: str,
        part: Annotated[
            Literal["overview", "turns"],
            Field(description="overview: everything except the transcript. turns: the transcript with tool calls."),
        ] = "overview",
        first_turn: Annotated[int, Field(ge=0, description="With part=turns: the first turn, from 0.")] = 0,
        last_turn: Annotated[int | None, Field(ge=0, description="With part=turns: the last turn.")] = None,
        max_text: TextLength = _MAX_TEXT,
    ) -> str:
        """Show one conversation in parts: read the overview with its evaluation first, then the turns that matter.

        If not all turns fit into the result, `next_turn` is the first_turn to continue with.
        """
        if part == "overview":
            return mark_untrusted(read_overview(self._path, conversation_id, max_text))
        last = 2**31 if last_turn is None else last_turn
        return mark_untrusted(read_turns(self._path, conversation_id, first_turn, last, max_text))

    def stats(  # noqa: PLR0913, PLR0917 - each is a parameter of the tool
        self,
        metric: Metric,
        by: Annotated[Dimension | None, Field(description="Group by this; null: no groups.")] = None,
        bucket: Annotated[Bucket | None, Field(description="A row for each period (UTC); null: no periods.")] = None,
        agent_id: Agent = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, Field(ge=1, le=500)] = 100,
    ) -> str:
        """Compute statistics of conversations: largest groups first, or with a bucket, oldest period first.

        Metrics:
        calls: count, successful, failed, success_rate, minutes.
        duration: seconds of a call (mean, p50, p95, max).
        cost: credits and US dollars.
        llm_cost: tokens and US dollars, by language model.
        rating: ratings, likes and dislikes of users.
        tool_calls: count and failures, by tool.
        tool_latency: seconds, by tool (mean, p50, p95, max).
        turn_latency: seconds, by stage of a turn, such as the model's time to the first byte (mean, p50, p95, max).
        evaluation: results and pass_rate, by evaluation criterion.
        collected_data: how often each value was collected.
        """
        return format_rows(
            compute_statistics(
                self._path,
                metric,
                by=by,
                bucket=bucket,
                agent_id=agent_id,
                since=since,
                until=until,
                max_rows=limit,
            ),
            _MAX_TEXT,
        )

    def sql(
        self,
        query: Annotated[str, Field(description="One SELECT statement of SQLite.")],
        limit: Annotated[int, Field(ge=1, le=1000)] = 100,
        max_text: TextLength = 500,
    ) -> str:
        """Run a SELECT on the archive (SQLite). It cannot change anything, and it ends after 10 seconds.

        Read `schema` first. The views calls, agents, daily, tools, latency, criteria and costs answer most questions.
        """
        return run_in_process(self._path, query, max_rows=limit, max_text=max_text, stop=self._stop)

    def schema(
        self,
        table: Annotated[
            str | None, Field(description="Show the columns of this table or view; null: list all.")
        ] = None,
    ) -> str:
        """Describe the tables and views that `sql` can read, and their columns."""
        lines = []
        for each in describe_tables():
            if table is None:
                lines.append(f"{each.name}: {each.description}")
            elif table == each.name:
                lines += [f"{each.name}: {each.description}", each.query]
                lines += [f"- {column.name} {column.type}: {column.description}" for column in each.columns]
        return "\n".join(lines) or f"There is no table {table!r}: call schema without arguments for a list."


def _format_hit(hit: SearchHit) -> dict[str, Any]:
    return {
        "conversation_id": hit.conversation_id,
        "agent_id": hit.agent_id,
        "start_time": to_utc_datetime(hit.start_time_unix_secs),
        "turn": hit.position,
        "secs": hit.time_in_call_secs,
        "role": hit.role,
        "message": shorten(hit.message, _MAX_TEXT),
    }
