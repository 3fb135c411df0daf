"""Compute statistics of an archive's conversations, each with one query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from convai_async._support.validate import validate_choice
from convai_async.archive._conditions import parse_filters
from convai_async.archive._queries._run_query import run_query

if TYPE_CHECKING:
    from datetime import date

    from convai_async.archive._location import ArchivePath, PostgresUrl
    from convai_async.archive._queries._run_query import QueryResult

Metric: TypeAlias = Literal[
    "calls",
    "duration",
    "cost",
    "llm_cost",
    "rating",
    "tool_calls",
    "tool_latency",
    "turn_latency",
    "evaluation",
    "collected_data",
]

Dimension: TypeAlias = Literal[
    "agent",
    "branch",
    "version",
    "language",
    "result",
    "status",
    "direction",
    "source",
    "phone_type",
    "termination_reason",
    "error_reason",
    "hour_of_day",
    "weekday",
]

Bucket: TypeAlias = Literal["hour", "day", "week", "month"]

_TIMEOUT_SECS = 50.0
_START = "conversations.start_time_unix_secs"

_DIMENSIONS: dict[Dimension, str] = {
    "agent": "conversations.agent_id",
    "branch": "branch_id",
    "version": "version_id",
    "language": "main_language",
    "result": "call_successful",
    "status": "status",
    "direction": "direction",
    "source": "conversation_initiation_source",
    "phone_type": "phone_call_type",
    "termination_reason": "termination_reason",
    "error_reason": "error_reason",
    "hour_of_day": f"strftime('%H', {_START}, 'unixepoch')",
    "weekday": (f"substr('SunMonTueWedThuFriSat', 3 * strftime('%w', {_START}, 'unixepoch') + 1, 3)"),
}

_BUCKETS: dict[Bucket, str] = {
    "hour": f"strftime('%Y-%m-%d %H:00', {_START}, 'unixepoch')",
    "day": f"date({_START}, 'unixepoch')",
    "week": f"date({_START}, 'unixepoch', 'weekday 0', '-6 days')",  # its Monday
    "month": f"strftime('%Y-%m', {_START}, 'unixepoch')",
}


class _Measure(msgspec.Struct, frozen=True):
    """How a metric is computed.

    Attributes:
        columns: The aggregates; the first one orders the rows.
        table: A table or view to join with ``conversations``.
        keys: The columns of that table that the rows are always grouped by.
        label: Another column of that table, whose largest value in each group is shown: some rows have none.
        value: For a mean and percentiles: the value, instead of ``columns``.
    """

    columns: str = ""
    table: str = ""
    keys: tuple[str, ...] = ()
    label: str = ""
    value: str = ""


_MEASURES: dict[Metric, _Measure] = {
    "calls": _Measure(
        "count(*) AS calls, sum(call_successful = 'success') AS successful, sum(call_successful = 'failure') AS failed,"
        " round(1.0 * sum(call_successful = 'success')"
        " / nullif(sum(call_successful IN ('success', 'failure')), 0), 3) AS success_rate,"
        " round(sum(call_duration_secs) / 60.0, 1) AS minutes"
    ),
    "duration": _Measure(value="call_duration_secs"),
    "cost": _Measure(
        "count(*) AS calls, sum(cost) AS credits, round(sum(cost_fiat), 4) AS dollars,"
        " round(sum(llm_price), 4) AS llm_dollars, round(avg(cost), 2) AS credits_per_call"
    ),
    "llm_cost": _Measure(
        "count(DISTINCT conversation_id) AS calls, sum(tokens) FILTER (WHERE category LIKE 'input%') AS input_tokens,"
        " sum(tokens) FILTER (WHERE category = 'output_total') AS output_tokens, round(sum(price), 4) AS dollars",
        "llm_usage",
        ("model",),
    ),
    "rating": _Measure(
        "count(*) AS calls, count(rating) AS ratings, round(avg(rating), 2) AS mean_rating, sum(likes) AS likes,"
        " sum(dislikes) AS dislikes, count(comment) AS comments"
    ),
    "tool_calls": _Measure(
        "count(*) AS calls, sum(is_error) AS failed, round(avg(is_error), 3) AS failure_rate",
        "tool_calls",
        ("tool_name",),
        label="type",
    ),
    "tool_latency": _Measure(table="tool_calls", keys=("tool_name",), label="type", value="tool_latency_secs"),
    "turn_latency": _Measure(table="turn_metrics", keys=("metric",), value="elapsed_secs"),
    "evaluation": _Measure(
        "count(*) AS results, sum(evaluation_results.result = 'success') AS successful,"
        " sum(evaluation_results.result = 'failure') AS failed, sum(evaluation_results.result = 'unknown') AS unknown,"
        " round(1.0 * sum(evaluation_results.result = 'success')"
        " / nullif(sum(evaluation_results.result IN ('success', 'failure')), 0), 3) AS pass_rate,"
        " round(avg(score), 2) AS mean_score",
        "evaluation_results",
        ("criteria_id",),
    ),
    "collected_data": _Measure("count(*) AS calls", "data_collection_results", ("data_collection_id", "value")),
}

_DISTRIBUTION = (
    "count(*) AS count, round(avg(value), 3) AS mean, min(value) FILTER (WHERE share >= 0.5) AS p50,"
    " min(value) FILTER (WHERE share >= 0.95) AS p95, max(value) AS max"
)


def compute_statistics(  # noqa: PLR0913 - keyword-only
    path: ArchivePath | PostgresUrl,
    metric: Metric,
    *,
    by: Dimension | None = None,
    bucket: Bucket | None = None,
    agent_id: str | None = None,
    since: date | int | None = None,
    until: date | int | None = None,
    max_rows: int = 200,
) -> QueryResult:
    """Compute a metric, with a row for each group: largest first, or with ``bucket``, oldest period first.

    Args:
        path: The archive, which has to be a file.
        metric: The metric, such as ``"calls"`` or ``"tool_latency"``.
        by: The property to group the conversations by; None (default) does not group them.
        bucket: The length of the periods (UTC) to group the conversations by; None (default) means no periods.
        agent_id: Only conversations with this agent.
        since: Only conversations that started at this time or later.
        until: Only conversations that started before this time.
        max_rows: The maximum number of rows; 200 by default.

    Raises:
        InvalidArgumentError: An argument is not valid, or the archive is a database.
        ArchiveError: The file does not exist, is not a convai archive, or has another version.
        QueryError: The query took more than 50 seconds.
    """
    validate_choice("metric", metric, _MEASURES)
    validate_choice("by", by, (None, *_DIMENSIONS))
    validate_choice("bucket", bucket, (None, *_BUCKETS))
    condition = parse_filters(agent_id, since, until)
    sql = _build_query(_MEASURES[metric], by, bucket, condition.sql)
    return run_query(path, sql, condition.parameters, timeout_secs=_TIMEOUT_SECS, max_rows=max_rows)


def _build_query(measure: _Measure, by: Dimension | None, bucket: Bucket | None, condition: str) -> str:
    groups: dict[str, str] = {} if bucket is None else {bucket: _BUCKETS[bucket]}
    groups |= {} if by is None else {by: _DIMENSIONS[by]}
    groups |= {key: f"{measure.table}.{key}" for key in measure.keys}
    rows = f"(SELECT * FROM conversations WHERE {condition}) AS conversations"  # noqa: S608 - built of constants
    if measure.table:
        rows += f" JOIN {measure.table} USING (conversation_id)"
    columns, label = measure.columns, f"{measure.table}.{measure.label}" if measure.label else ""
    if measure.value:
        named = "".join(f"{expression} AS {name}, " for name, expression in groups.items())
        groups = {name: name for name in groups}
        partition = f"PARTITION BY {', '.join(groups)} " if groups else ""
        rows = (
            f"(SELECT *, cume_dist() OVER ({partition}ORDER BY value) AS share"  # noqa: S608
            f" FROM (SELECT {named}{label and f'{label}, '}agent_name, {measure.value} AS value FROM {rows})"
            " WHERE value IS NOT NULL)"
        )
        columns, label = _DISTRIBUTION, measure.label
    shown = [f"{expression} AS {name}" for name, expression in groups.items()]
    order = [str(len(groups) + 1) + " DESC"] if bucket is None else ["1", f"{len(groups) + 1} DESC"]
    columns += f", max({label}) AS {measure.label}" if label else ""
    columns += ", max(agent_name) AS agent_name" if by == "agent" else ""
    grouping = f" GROUP BY {', '.join(map(str, range(1, len(groups) + 1)))}" if groups else ""
    return f"SELECT {', '.join([*shown, columns])} FROM {rows}{grouping} ORDER BY {', '.join(order)}"  # noqa: S608
