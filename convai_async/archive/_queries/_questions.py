"""Questions about an archive, each with an SQL statement, for the documentation and for Datasette.

The statements run in SQLite and DuckDB. So they take times from the view ``calls``, average no booleans, and compute
percentiles with ``cume_dist``.
"""

from __future__ import annotations

import msgspec


class Question(msgspec.Struct, frozen=True):
    """A question and its answer.

    Attributes:
        name: A name for URLs.
        title: The question.
        sql: The statement that answers it.
    """

    name: str
    title: str
    sql: str


QUESTIONS = (
    Question(
        "calls_by_day",
        "How many calls does each agent have, day by day?",
        """\
SELECT date(start_time) AS day, agent_name, count(*) AS calls
FROM calls GROUP BY day, agent_name ORDER BY day, calls DESC""",
    ),
    Question(
        "success_by_hour",
        "How often do calls succeed, by agent and hour (UTC)?",
        """\
SELECT agent_name, strftime('%H', start_time) AS hour, count(*) AS calls,
       round(avg(CASE call_successful WHEN 'success' THEN 1.0 WHEN 'failure' THEN 0.0 END), 3) AS success_rate
FROM calls GROUP BY agent_name, hour ORDER BY agent_name, hour""",
    ),
    Question(
        "tool_latency",
        "How long do the calls of a tool take (p50 and p95)?",
        """\
SELECT tool_name, count(*) AS calls,
       min(tool_latency_secs) FILTER (WHERE share >= 0.5) AS p50,
       min(tool_latency_secs) FILTER (WHERE share >= 0.95) AS p95,
       max(tool_latency_secs) AS max
FROM (
    SELECT tool_name, tool_latency_secs,
           cume_dist() OVER (PARTITION BY tool_name ORDER BY tool_latency_secs) AS share
    FROM tool_calls WHERE tool_latency_secs IS NOT NULL
)
GROUP BY tool_name ORDER BY p95 DESC""",
    ),
    Question(
        "failing_tools",
        "Which tools fail?",
        """\
SELECT tool_name, count(*) AS calls, count(*) FILTER (WHERE is_error) AS failed
FROM tool_calls GROUP BY tool_name ORDER BY failed DESC""",
    ),
    Question(
        "model_costs",
        "What does each language model cost, by agent?",
        """\
SELECT agent_name, model, count(DISTINCT conversation_id) AS calls, sum(tokens) AS tokens,
       round(sum(price), 6) AS dollars
FROM llm_usage JOIN calls USING (conversation_id)
GROUP BY agent_name, model ORDER BY dollars DESC""",
    ),
    Question(
        "agent_costs",
        "Which agents have long calls, and what do they cost?",
        """\
SELECT agent_name, count(*) AS calls, round(avg(call_duration_secs), 1) AS mean_secs,
       sum(cost) AS credits, round(sum(coalesce(cost_fiat, llm_price)), 4) AS dollars
FROM calls GROUP BY agent_name ORDER BY credits DESC""",
    ),
    Question(
        "time_to_first_byte",
        "How long does a turn wait for the first byte of the model and of speech?",
        """\
WITH durations AS (
    SELECT metric, round(1000 * elapsed_secs) / 1000 AS secs, count(*) AS turns
    FROM turn_metrics WHERE metric LIKE '%_ttfb' GROUP BY metric, secs
), shares AS (
    SELECT *, 1.0 * sum(turns) OVER (PARTITION BY metric ORDER BY secs) / sum(turns) OVER (PARTITION BY metric) AS share
    FROM durations
)
SELECT metric, sum(turns) AS turns,
       min(secs) FILTER (WHERE share >= 0.5) AS p50, min(secs) FILTER (WHERE share >= 0.95) AS p95
FROM shares GROUP BY metric ORDER BY metric""",
    ),
    Question(
        "failure_reasons",
        "Why do calls fail?",
        """\
SELECT coalesce(error_reason, termination_reason) AS reason, count(*) AS calls
FROM calls WHERE status = 'failed' OR call_successful = 'failure'
GROUP BY reason ORDER BY calls DESC LIMIT 10""",
    ),
    Question(
        "termination_reasons",
        "Why do calls end?",
        """\
SELECT termination_reason, count(*) AS calls
FROM calls GROUP BY termination_reason ORDER BY calls DESC""",
    ),
    Question(
        "languages",
        "Which languages are spoken?",
        """\
SELECT main_language, count(*) AS calls, round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent
FROM calls GROUP BY main_language ORDER BY calls DESC""",
    ),
    Question(
        "words_per_minute",
        "How many words does a minute of a call have?",
        """\
SELECT agent_name, round(60.0 * sum(by_agent) / sum(call_duration_secs), 1) AS words_of_agent,
       round(60.0 * sum(by_user) / sum(call_duration_secs), 1) AS words_of_user
FROM (
    SELECT conversation_id, sum(words) FILTER (WHERE role = 'agent') AS by_agent,
           sum(words) FILTER (WHERE role = 'user') AS by_user
    FROM (
        SELECT conversation_id, role, length(message) - length(replace(message, ' ', '')) + 1 AS words
        FROM turns WHERE message <> ''
    ) AS spoken
    GROUP BY conversation_id
) AS counted
JOIN calls USING (conversation_id)
GROUP BY agent_name ORDER BY agent_name""",
    ),
    Question(
        "interruptions",
        "How often is an agent interrupted?",
        """\
SELECT agent_name, count(*) AS turns, count(*) FILTER (WHERE interrupted) AS interrupted
FROM turns JOIN calls USING (conversation_id)
WHERE role = 'agent' GROUP BY agent_name ORDER BY interrupted DESC""",
    ),
    Question(
        "pass_rates",
        "How often is an evaluation criterion met?",
        """\
SELECT criteria_id, count(*) AS results,
       round(avg(CASE result WHEN 'success' THEN 1.0 WHEN 'failure' THEN 0.0 END), 3) AS pass_rate
FROM evaluation_results GROUP BY criteria_id ORDER BY pass_rate""",
    ),
    Question(
        "collected_values",
        "Which values were collected, and how often?",
        """\
SELECT data_collection_id, value, count(*) AS calls
FROM data_collection_results WHERE value IS NOT NULL
GROUP BY data_collection_id, value ORDER BY data_collection_id, calls DESC""",
    ),
    Question(
        "feedback",
        "What do people say about the calls?",
        """\
SELECT start_time, conversation_id, agent_name, rating, likes, dislikes, comment
FROM calls WHERE rating IS NOT NULL OR likes > 0 OR dislikes > 0 OR comment IS NOT NULL
ORDER BY start_time DESC LIMIT 100""",
    ),
)
"""The questions, in the order of the documentation."""
