"""SQL that comes from somebody else, and the numbers that are computed with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING, Any, get_args

import pytest
from archives import build_update

from convai_async.archive import (
    ArchiveError,
    Bucket,
    Dimension,
    Metric,
    QueryError,
    compute_statistics,
    describe_tables,
    list_calls,
    run_query,
)
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.archive._writer import ArchiveWriter

pytest_plugins = ["archive_fixtures"]

ENDLESS = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
NOT_PERMITTED = [
    "ATTACH 'other.db' AS other",
    "PRAGMA writable_schema = 1",
    "PRAGMA database_list",
    "SELECT * FROM pragma_database_list",
    "DELETE FROM turns",
    "WITH doomed AS (SELECT 1 AS id) DELETE FROM turns WHERE turn_id IN (SELECT id FROM doomed)",
    "INSERT INTO tags VALUES ('conv_0', 'x')",
    "INSERT INTO turns_search (turns_search) VALUES ('delete-all')",
    "UPDATE archive SET source = 'x'",
    "CREATE TABLE x (y)",
    "CREATE TEMP TABLE x (y)",
    "DROP TABLE turns",
    "VACUUM INTO 'copy.db'",
    "REINDEX",
    "BEGIN",
    "SELECT load_extension('x')",
    "SELECT writefile('x', 'y')",
    "SELECT randomblob(1000000000)",
    "SELECT zeroblob(1000000000)",
    "SELECT fts5(1)",
    "SELECT 1; SELECT 2",
    "SELECT 1\0",
    "SELECT ?",
    "nonsense",
]


@pytest.fixture
def store() -> str:
    return "sqlite"


@pytest.fixture
def filled(writer: ArchiveWriter, path: Path) -> Path:
    for number in range(10):
        result = "success" if number % 2 else "failure"
        call = {"request_id": "r", "tool_name": "lookup", "type": "webhook"}
        turn = {
            "role": "agent",
            "message": f"refund {number}",
            "tool_calls": [call],
            "tool_results": [{**call, "tool_latency_secs": number + 1, "is_error": not number, "result_value": ""}],
            "conversation_turn_metrics": {"metrics": {"ttfb": {"elapsed_time": 0.5}}},
        }
        metadata = {"start_time_unix_secs": 1_700_000_000 + number * 86_400, "call_duration_secs": 60 + number}
        analysis = {
            "call_successful": result,
            "transcript_summary": "",
            "evaluation_criteria_results": {"solved": {"criteria_id": "solved", "result": result}},
        }
        details: dict[str, Any] = {
            "metadata": metadata,
            "analysis": analysis,
            "transcript": [turn],
            "agent_name": "Ann",
        }
        writer.store([build_update(f"conv_{number}", **details)])
    return path


@pytest.mark.parametrize("sql", NOT_PERMITTED)
def test_query_that_is_not_one_select_is_refused(filled: Path, sql: str) -> None:
    before = sorted(each.name for each in filled.parent.iterdir())
    with pytest.raises(QueryError, match="the query failed"):
        run_query(filled, sql)
    assert sorted(each.name for each in filled.parent.iterdir()) == before
    assert run_query(filled, "SELECT count(*) FROM turns").rows == [(10,)]


def test_message_of_a_refused_query_says_what_is_permitted(filled: Path) -> None:
    with pytest.raises(QueryError, match="load_extension: only SELECT is permitted"):
        run_query(filled, "SELECT load_extension('x')")


def test_message_of_an_invalid_query_is_that_of_sqlite(filled: Path) -> None:
    with pytest.raises(QueryError, match=r"^the query failed: no such table: missing$"):
        run_query(filled, "SELECT * FROM missing")


def test_select_reads_tables_views_search_and_json(filled: Path) -> None:
    assert run_query(filled, "SELECT count(*) AS n FROM calls WHERE agent_name = :name", {"name": "Ann"}).rows == [
        (10,)
    ]
    found = run_query(
        filled,
        "SELECT snippet(turns_search, 0, '[', ']', '…', 5) FROM turns_search WHERE turns_search MATCH 'refund' LIMIT 1",
    )
    assert found.rows == [("[refund] 0",)]
    extracted = "SELECT document ->> '$.agent_id', json_extract(document, '$.status') FROM documents LIMIT 1"
    assert run_query(filled, extracted).rows == [("agent_1", "done")]
    assert run_query(filled, "SELECT value FROM json_each('[1, 2]')").rows == [(1,), (2,)]
    assert run_query(filled, "SELECT atom FROM json_tree('[1, 2]')").rows == [(None,), (1,), (2,)]
    assert run_query(filled, "-- nothing").rows == []


def test_query_reads_the_hash_of_the_api_key_as_null(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE archive SET key_salt = x'01', key_fingerprint = x'02'")
    ((salt, fingerprint, source),) = run_query(filled, "SELECT key_salt, key_fingerprint, source FROM archive").rows
    assert (salt, fingerprint) == (None, None)
    assert source is not None


def test_parameter_that_sqlite_cannot_hold_is_refused(filled: Path) -> None:
    with pytest.raises(QueryError, match="too large"):
        run_query(filled, "SELECT ?", (2**63,))


def test_query_that_takes_too_long_is_interrupted(filled: Path) -> None:
    with pytest.raises(QueryError, match=r"interrupted after 0\.05 s"):
        run_query(filled, ENDLESS, timeout_secs=0.05)


def test_query_is_interrupted_by_an_event(filled: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(QueryError, match="interrupted"):
        run_query(filled, ENDLESS, stop=stop, timeout_secs=3600)  # longer than a test may take


def test_query_that_makes_a_huge_value_is_refused(filled: Path) -> None:
    with pytest.raises(QueryError, match=r"too big \(more than 16 MiB\)"):
        run_query(filled, "SELECT replace(printf('%1000000d', 1), ' ', '12345678901234567')")


def test_result_ends_at_the_limits_of_rows_and_bytes(filled: Path) -> None:
    by_rows = run_query(filled, "SELECT position FROM turns", max_rows=3)
    assert (len(by_rows.rows), by_rows.truncated) == (3, True)
    by_bytes = run_query(filled, "SELECT printf('%1000d', 1) FROM turns", max_bytes=3500)
    assert (len(by_bytes.rows), by_bytes.truncated) == (4, True)
    assert not run_query(filled, "SELECT position FROM turns", max_rows=10).truncated
    assert repr(by_rows) == "<QueryResult 3 or more rows: position>"
    assert repr(run_query(filled, "SELECT 'secret' AS message")) == "<QueryResult 1 rows: message>"
    by_numbers = run_query(filled, "SELECT position FROM turns", max_bytes=72)
    assert (len(by_numbers.rows), by_numbers.truncated) == (9, True)
    assert not run_query(filled, "SELECT position FROM turns", max_bytes=73).truncated


def test_result_has_1000_rows_and_a_million_bytes_by_default(filled: Path) -> None:
    numbers = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1001) SELECT x FROM c"
    by_rows = run_query(filled, numbers)
    assert (len(by_rows.rows), by_rows.truncated) == (1000, True)
    by_bytes = run_query(filled, "SELECT printf('%200000d', 1) FROM turns")
    assert (len(by_bytes.rows), by_bytes.truncated) == (5, True)


def test_longest_query_and_pattern(filled: Path) -> None:
    assert run_query(filled, "SELECT 1".ljust(100_000)).rows == [(1,)]
    with pytest.raises(QueryError, match="too large"):
        run_query(filled, "SELECT 1".ljust(100_001))
    assert run_query(filled, "SELECT 'a' LIKE ?", ["_" * 1000]).rows == [(0,)]
    with pytest.raises(QueryError, match="pattern too complex"):
        run_query(filled, "SELECT 'a' LIKE ?", ["_" * 1001])


def test_query_reads_while_a_transaction_writes(filled: Path) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM turns")
        assert run_query(filled, "SELECT count(*) FROM turns").rows == [(10,)]


def test_query_leaves_no_log_beside_the_archive(writer: ArchiveWriter, path: Path) -> None:
    writer.close()
    run_query(path, "SELECT 1")
    assert {each.name for each in path.parent.iterdir()} == {"calls.db", "calls.db.lock"}


def test_query_of_a_damaged_archive_says_that_the_file_is_damaged(writer: ArchiveWriter, path: Path) -> None:
    writer.close()
    ((page,),) = run_query(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'tool_calls'").rows
    size = 4096
    damaged = bytearray(path.read_bytes())
    damaged[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(damaged)
    with pytest.raises(ArchiveError, match="the file is damaged"):
        run_query(path, "SELECT * FROM tool_calls")


def test_text_that_is_not_utf8_is_read_with_replacements(filled: Path) -> None:
    assert run_query(filled, "SELECT substr(CAST(x'ff41' AS TEXT), 1)").rows == [("\ufffdA",)]


@pytest.mark.parametrize("metric", get_args(Metric))
def test_each_metric_is_computed_by_each_dimension_and_period(filled: Path, metric: Metric) -> None:
    for by in get_args(Dimension):
        assert by in compute_statistics(filled, metric, by=by).columns
    for bucket in get_args(Bucket):
        assert compute_statistics(filled, metric, by="agent", bucket=bucket).columns[:2] == (bucket, "agent")


def test_statistics_have_the_numbers_of_each_group(filled: Path) -> None:
    calls = compute_statistics(filled, "calls", by="agent")
    assert calls.columns == ("agent", "calls", "successful", "failed", "success_rate", "minutes", "agent_name")
    assert calls.rows == [("agent_1", 10, 5, 5, 0.5, 10.8, "Ann")]
    latency = compute_statistics(filled, "tool_latency")
    assert latency.columns == ("tool_name", "count", "mean", "p50", "p95", "max", "type")
    assert latency.rows == [("lookup", 10, 5.5, 5.0, 10.0, 10.0, "webhook")]
    assert compute_statistics(filled, "duration").rows == [(10, 64.5, 64, 69, 69)]
    evaluation = compute_statistics(filled, "evaluation", by="result")
    assert sorted(evaluation.rows) == [
        ("failure", "solved", 5, 0, 5, 0, 0.0, None),
        ("success", "solved", 5, 5, 0, 0, 1.0, None),
    ]


def test_statistics_are_filtered_and_ordered_by_time(filled: Path) -> None:
    days = compute_statistics(
        filled, "calls", bucket="day", since=1_700_000_000 + 86_400, until=1_700_000_000 + 3 * 86_400
    )
    assert [row[:2] for row in days.rows] == [("2023-11-15", 1), ("2023-11-16", 1)]
    assert compute_statistics(filled, "calls", agent_id="another").rows[0][0] == 0
    weeks = compute_statistics(filled, "calls", bucket="week")
    assert [row[:2] for row in weeks.rows] == [("2023-11-13", 6), ("2023-11-20", 4)]
    assert compute_statistics(filled, "calls", by="weekday", max_rows=1).rows[0][0] in {"Tue", "Wed", "Thu"}


@pytest.mark.parametrize(
    "arguments", [{"metric": "x"}, {"metric": "calls", "by": "x"}, {"metric": "calls", "bucket": "x"}]
)
def test_unknown_metric_dimension_or_period_is_refused(filled: Path, arguments: dict[str, str]) -> None:
    with pytest.raises(InvalidArgumentError, match="must be"):
        compute_statistics(filled, **arguments)  # type: ignore[arg-type]


def test_calls_are_listed_newest_first_and_filtered(filled: Path) -> None:
    newest = list_calls(filled, max_rows=2)
    assert newest.columns[:2] == ("conversation_id", "start_time")
    assert [row[0] for row in newest.rows] == ["conv_9", "conv_8"]
    assert newest.truncated
    failed = list_calls(filled, call_successful="failure", since=1_700_000_000 + 86_400)
    assert [row[0] for row in failed.rows] == ["conv_8", "conv_6", "conv_4", "conv_2"]
    assert list_calls(filled, agent_id="another").rows == []


def test_description_names_the_tables_and_views_of_an_archive(filled: Path) -> None:
    described = {each.name: each for each in describe_tables()}
    real = run_query(
        filled, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE '%\\_%' ESCAPE '\\'"
    )
    assert {name for (name,) in real.rows} <= described.keys()
    turns = run_query(filled, "SELECT * FROM turns LIMIT 0")
    assert turns.columns == tuple(column.name for column in described["turns"].columns)
    assert described["calls"].query.startswith("SELECT conversation_id")
