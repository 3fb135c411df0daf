"""The views of an archive, for common questions. They hold no data, so an upgrade creates them again."""

from __future__ import annotations

import msgspec

from convai_async.archive._schema._table import CONVERSATION_ID, Column


class View(msgspec.Struct, frozen=True):
    """A view.

    Attributes:
        name: Its name.
        description: The meaning of a row.
        template: Its query, in SQL that SQLite and PostgreSQL share. The tables of PostgreSQL have one more key:
            ``{workspace}`` stands for its column and a comma, ``{tags}`` and ``{conversations}`` for that of a table.
        columns: Its columns, if it is exported like a table.
    """

    name: str
    description: str
    template: str
    columns: tuple[Column, ...] = ()

    @property
    def query(self) -> str:
        """Its query for one workspace."""
        return self.template.format(workspace="", tags="", conversations="")

    @property
    def query_of_all_workspaces(self) -> str:
        """Its query for all workspaces, with ``workspace`` as first column."""
        return self.template.format(
            workspace="workspace, ", tags="tags.workspace, ", conversations="conversations.workspace, "
        )


TURN_METRICS = View(
    "turn_metrics",
    "Each measured duration of a turn, such as 'convai_llm_service_ttfb': the model's time to the first byte.",
    """\
SELECT {workspace}conversation_id, CAST(turns.key AS INTEGER) AS turn_position, metrics.key AS metric,
    CAST(turns.value AS DOUBLE PRECISION) AS elapsed_secs
FROM conversations, json_each(turn_metrics) AS metrics, json_each(metrics.value) AS turns
WHERE turns.type != 'null'""",
    (
        CONVERSATION_ID,
        Column("turn_position", "", "The position of the turn.", "int64"),
        Column("metric", "", "Its name.", "string"),
        Column("elapsed_secs", "", "The duration in seconds.", "float64"),
    ),
)

DYNAMIC_VARIABLES = View(
    "dynamic_variables",
    "Each dynamic variable that a conversation started with; value is text, or the JSON of another type.",
    """\
SELECT {workspace}conversation_id, key AS name,
    CASE WHEN type IN ('true', 'false') THEN type ELSE CAST(value AS TEXT) END AS value
FROM conversations, json_each(dynamic_variables)""",
    (CONVERSATION_ID, Column("name", "", "Its name.", "string"), Column("value", "", "Its value.", "string")),
)

FEATURES = View(
    "features",
    "Each feature that was enabled or used in a conversation; used is null if the service does not say.",
    """\
SELECT {workspace}conversation_id, key AS feature, CAST(json_extract(value, '$.enabled') AS BOOLEAN) AS enabled,
    CAST(json_extract(value, '$.used') AS BOOLEAN) AS used
FROM conversations, json_each(features)""",
    (
        CONVERSATION_ID,
        Column("feature", "", "Its name.", "string"),
        Column("enabled", "", "Whether it was enabled.", "bool"),
        Column("used", "", "Whether it was used.", "bool"),
    ),
)

DOCUMENTS = View(
    "documents",
    "Each conversation's JSON as text, for json_extract; null if raw is not valid JSON.",
    """\
SELECT {workspace}conversation_id,
    CASE WHEN raw_is_utf8 AND json_valid(CAST(raw AS TEXT)) THEN CAST(raw AS TEXT) END AS document
FROM conversations""",
)

CALLS = View(
    "calls",
    "Each conversation in one line.",
    """\
SELECT {workspace}conversation_id, datetime(start_time_unix_secs, 'unixepoch') AS start_time, agent_name, agent_id,
    status, call_successful, call_summary_title, call_duration_secs, message_count, direction, external_number,
    main_language, conversation_initiation_source, rating, likes, dislikes, comment, cost, cost_fiat, llm_price,
    termination_reason, error_reason,
    (SELECT group_concat(tag_id, ', ') FROM tags
        WHERE ({tags}tags.conversation_id) = ({conversations}conversations.conversation_id)) AS tags
FROM conversations""",
)

AGENTS = View(
    "agents",
    "Each agent with the numbers of its conversations.",
    """\
SELECT {workspace}agent_id, max(agent_name) AS agent_name, count(*) AS calls,
    count(*) FILTER (WHERE call_successful = 'success') AS successful,
    count(*) FILTER (WHERE call_successful = 'failure') AS failed,
    datetime(min(start_time_unix_secs), 'unixepoch') AS first_start_time,
    datetime(max(start_time_unix_secs), 'unixepoch') AS last_start_time,
    round(avg(call_duration_secs), 1) AS mean_duration_secs, round(sum(call_duration_secs) / 60.0, 1) AS minutes,
    round(avg(rating), 2) AS mean_rating, sum(cost) AS cost, round(sum(cost_fiat), 6) AS cost_fiat,
    round(sum(llm_price), 6) AS llm_price
FROM conversations GROUP BY {workspace}agent_id""",
)

DAILY = View(
    "daily",
    "Each day (UTC) and agent with the numbers of their conversations.",
    """\
SELECT {workspace}date(start_time_unix_secs, 'unixepoch') AS day, agent_id, max(agent_name) AS agent_name,
    count(*) AS calls,
    count(*) FILTER (WHERE call_successful = 'success') AS successful,
    count(*) FILTER (WHERE call_successful = 'failure') AS failed,
    round(sum(call_duration_secs) / 60.0, 1) AS minutes, round(avg(rating), 2) AS mean_rating,
    sum(cost) AS cost, round(sum(cost_fiat), 6) AS cost_fiat, round(sum(llm_price), 6) AS llm_price
FROM conversations GROUP BY {workspace}day, agent_id""",
)

TOOLS = View(
    "tools",
    "Each tool with the number of its calls, and its latency in seconds.",
    # A failed result often has no type.
    """\
SELECT {workspace}tool_name, max(type) AS type, count(*) AS calls, count(*) FILTER (WHERE is_error) AS failed,
    round(avg(tool_latency_secs), 3) AS mean,
    min(tool_latency_secs) FILTER (WHERE share >= 0.5) AS p50,
    min(tool_latency_secs) FILTER (WHERE share >= 0.95) AS p95,
    max(tool_latency_secs) AS max
FROM (
    SELECT {workspace}tool_name, type, is_error, tool_latency_secs, cume_dist() OVER (
        PARTITION BY {workspace}tool_name, tool_latency_secs IS NULL ORDER BY tool_latency_secs
    ) AS share
    FROM tool_calls
) AS ranked
GROUP BY {workspace}tool_name""",
)

LATENCY = View(
    "latency",
    "Each stage of the turns with its durations in seconds; percentiles are rounded to milliseconds.",
    # Counts equal durations first: to sort each of a million takes three times as long. Sums of absurd durations would
    # overflow in PostgreSQL.
    """\
SELECT {workspace}metric, sum(turns) AS turns, round(sum(total) / sum(turns), 3) AS mean,
    min(secs) FILTER (WHERE share >= 0.5) AS p50,
    min(secs) FILTER (WHERE share >= 0.95) AS p95,
    min(secs) FILTER (WHERE share >= 0.99) AS p99,
    max(longest) AS max
FROM (
    SELECT *, 1.0 * sum(turns) OVER (PARTITION BY {workspace}metric ORDER BY secs)
        / sum(turns) OVER (PARTITION BY {workspace}metric) AS share
    FROM (
        SELECT {workspace}metric, round(1000 * elapsed_secs) / 1000 AS secs, count(*) AS turns,
            sum(elapsed_secs) AS total, max(elapsed_secs) AS longest
        FROM turn_metrics WHERE elapsed_secs < 1e9 GROUP BY {workspace}metric, secs
    ) AS counted
) AS ranked
GROUP BY {workspace}metric""",
)

CRITERIA = View(
    "criteria",
    "Each evaluation criterion with its results; pass_rate leaves unknown results out.",
    """\
SELECT {workspace}criteria_id, agent_id, count(*) AS results, count(*) FILTER (WHERE result = 'success') AS successful,
    count(*) FILTER (WHERE result = 'failure') AS failed, count(*) FILTER (WHERE result = 'unknown') AS unknown,
    round(1.0 * count(*) FILTER (WHERE result = 'success')
        / nullif(count(*) FILTER (WHERE result IN ('success', 'failure')), 0), 3) AS pass_rate,
    round(avg(score), 2) AS mean_score
FROM evaluation_results GROUP BY {workspace}criteria_id, agent_id""",
)

COSTS = View(
    "costs",
    "Each agent and language model with the tokens and their price in US dollars.",
    """\
SELECT {workspace}agent_id, max(agent_name) AS agent_name, model, count(DISTINCT conversation_id) AS calls,
    sum(tokens) FILTER (WHERE category LIKE 'input%') AS input_tokens,
    sum(tokens) FILTER (WHERE category = 'output_total') AS output_tokens, round(sum(price), 6) AS price
FROM llm_usage JOIN conversations USING ({workspace}conversation_id) GROUP BY {workspace}agent_id, model""",
)

VIEWS = (
    CALLS,
    AGENTS,
    DAILY,
    TOOLS,
    LATENCY,
    CRITERIA,
    COSTS,
    TURN_METRICS,
    DYNAMIC_VARIABLES,
    FEATURES,
    DOCUMENTS,
)
"""All views."""
