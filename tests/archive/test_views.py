"""The views, and other tools that read the archive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from archives import SQLITE_ONLY, build_update, summary

from convai_async.archive import Archive, compute_statistics
from convai_async.archive._records import ConversationUpdate, decode_update
from convai_async.archive._schema._views import DOCUMENTS, VIEWS
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.archive._writer import ArchiveWriter

pytest_plugins = ["archive_fixtures"]


def query(path: Path | str, sql: str) -> list[dict[str, Any]]:
    with Archive.open(path) as archive, archive.snapshot() as connection:
        cursor = connection.execute(sql)
        names = [name for name, *_ in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


@pytest.fixture
def filled(writer: ArchiveWriter, path: Path | str) -> Path | str:
    for number in range(20):
        call = {"request_id": f"r{number}", "tool_name": "lookup", "type": "webhook"}
        result = {**call, "tool_latency_secs": (number + 1) / 10, "is_error": number == 0, "result_value": ""}
        turn = {
            "role": "agent",
            "message": f"refund {number}",
            "tool_calls": [call],
            "tool_results": [result],
            "conversation_turn_metrics": {"metrics": {"ttfb": {"elapsed_time": number + 1}}},
        }
        usage = {"model_usage": {"m": {"input": {"tokens": 10, "price": 0.1}, "output_total": {"tokens": 1}}}}
        metadata = {
            "start_time_unix_secs": 1_700_000_000 + number * 3600,
            "call_duration_secs": 60,
            "cost": 3,
            "charging": {"llm_usage": {"initiated_generation": usage}, "llm_price": 0.1},
        }
        verdict = "success" if number % 4 else "failure"
        analysis = {
            "call_successful": verdict,
            "transcript_summary": "s",
            "evaluation_criteria_results": {"solved": {"criteria_id": "solved", "result": verdict}},
        }
        writer.store(
            [build_update(f"conv_{number}", transcript=[turn], metadata=metadata, analysis=analysis, agent_name="A")]
        )
    writer._connection.execute(
        "INSERT INTO step_results (conversation_id, step, version, result, finished_unix_secs)"
        " VALUES ('conv_1', 'score', 2, '{\"mean\":0.5}', 1700000000)"
    )
    return path


@pytest.mark.parametrize(
    ("store", "view"),
    [(store, view) for store in ("sqlite", "postgres") for view in VIEWS if (store, view) != ("postgres", DOCUMENTS)],
    ids=lambda value: getattr(value, "name", value),
)
def test_views_hold_no_bytes(filled: Path | str, view: Any) -> None:
    for row in query(filled, f"SELECT * FROM {view.name}"):
        assert not any(isinstance(value, bytes) for value in row.values())
    assert view.description.endswith(".")


def test_views_compute_numbers_of_agents_days_tools_and_stages(filled: Path | str) -> None:
    call = query(filled, "SELECT * FROM calls WHERE conversation_id = 'conv_0'")[0]
    assert (call["start_time"], call["agent_name"], call["cost"]) == ("2023-11-14 22:13:20", "A", 3)
    (agent,) = query(filled, "SELECT * FROM agents")
    assert (agent["calls"], agent["successful"], agent["failed"], agent["minutes"]) == (20, 15, 5, 20.0)
    assert agent["llm_price"] == 2.0, "without 0.1 + 0.1 + 0.1 = 0.30000000000000004"
    days = query(filled, "SELECT day, calls FROM daily ORDER BY day")
    assert days == [{"day": "2023-11-14", "calls": 2}, {"day": "2023-11-15", "calls": 18}]
    (tool,) = query(filled, "SELECT * FROM tools")
    assert (tool["calls"], tool["failed"], tool["p50"], tool["p95"], tool["max"]) == (20, 1, 1.0, 1.9, 2.0)
    (stage,) = query(filled, "SELECT * FROM latency")
    assert [stage[name] for name in ("metric", "turns", "mean", "p50", "p95", "p99", "max")] == [
        *("ttfb", 20, 10.5, 10.0, 19.0, 20.0, 20.0),
    ]
    (criterion,) = query(filled, "SELECT * FROM criteria")
    assert (criterion["results"], criterion["pass_rate"]) == (20, 0.75)
    (cost,) = query(filled, "SELECT * FROM costs")
    assert (cost["model"], cost["calls"], cost["input_tokens"], cost["output_tokens"], cost["price"]) == (
        *("m", 20, 200, 20, 2.0),
    )


@SQLITE_ONLY
def test_documents_view_has_the_json_of_conversations(filled: Path | str) -> None:
    (title,) = query(filled, "SELECT json_extract(document, '$.agent_name') AS name FROM documents LIMIT 1")
    assert title == {"name": "A"}


def test_tools_view_has_latency_of_tools_without_a_type_and_null_without_a_latency(
    writer: ArchiveWriter, path: Path
) -> None:
    calls = [{"request_id": each, "tool_name": each} for each in ("timed", "untimed")]
    results = [{"request_id": "timed", "tool_name": "timed", "tool_latency_secs": 0.5, "is_error": False}]
    writer.store([build_update("conv_1", transcript=[{"role": "agent", "tool_calls": calls, "tool_results": results}])])
    rows = query(path, "SELECT tool_name, type, calls, p50, p95 FROM tools ORDER BY tool_name")
    assert [tuple(row.values()) for row in rows] == [("timed", None, 1, 0.5, 0.5), ("untimed", None, 1, None, None)]


def store_untyped_failure(writer: ArchiveWriter) -> None:
    results = [
        {"request_id": "a", "tool_name": "lookup", "type": "webhook", "tool_latency_secs": 0.5, "is_error": False},
        {"request_id": "b", "tool_name": "lookup", "tool_latency_secs": 1.5, "is_error": True},
    ]
    calls = [{name: result.get(name) for name in ("request_id", "tool_name", "type")} for result in results]
    writer.store([build_update("conv_1", transcript=[{"role": "agent", "tool_calls": calls, "tool_results": results}])])


def test_tool_whose_failed_results_have_no_type_is_in_one_row(writer: ArchiveWriter, path: Path | str) -> None:
    store_untyped_failure(writer)
    (row,) = query(path, "SELECT tool_name, type, calls, failed, mean FROM tools")
    assert tuple(row.values()) == ("lookup", "webhook", 2, 1, 1.0)


@SQLITE_ONLY
def test_statistics_of_a_tool_whose_failed_results_have_no_type_are_in_one_row(
    writer: ArchiveWriter, path: Path
) -> None:
    store_untyped_failure(writer)
    assert compute_statistics(path, "tool_latency").rows == [("lookup", 2, 1.0, 0.5, 1.5, 1.5, "webhook")]
    assert compute_statistics(path, "tool_calls").rows == [("lookup", 2, 1, 0.5, "webhook")]


def test_turn_metrics_view_has_the_position_of_each_measured_turn(writer: ArchiveWriter, path: Path | str) -> None:
    measured = [{"llm": 1}, None, {"llm": 2.5, "tts": 3}]
    transcript = [
        {
            "role": "agent",
            "conversation_turn_metrics": each
            and {"metrics": {name: {"elapsed_time": value} for name, value in each.items()}},
        }
        for each in measured
    ]
    writer.store([build_update("conv_1", transcript=transcript)])
    rows = query(path, "SELECT turn_position, metric, elapsed_secs FROM turn_metrics ORDER BY metric, turn_position")
    assert [tuple(row.values()) for row in rows] == [(0, "llm", 1.0), (2, "llm", 2.5), (2, "tts", 3.0)]


DETECT_FTS = """
SELECT name FROM sqlite_master WHERE rootpage = 0 AND (
    sql LIKE '%VIRTUAL TABLE%USING FTS%content="turns"%' OR sql LIKE '%VIRTUAL TABLE%USING FTS%content=[turns]%'
    OR (tbl_name = 'turns' AND sql LIKE '%VIRTUAL TABLE%USING FTS%')
)"""
"""The question that Datasette and sqlite-utils ask."""


@SQLITE_ONLY
def test_other_tools_find_the_search_index(filled: Path | str) -> None:
    assert query(filled, DETECT_FTS) == [{"name": "turns_search"}]


@SQLITE_ONLY
def test_sqlite_utils_searches_the_turns(filled: Path | str) -> None:
    sqlite_utils = pytest.importorskip("sqlite_utils")
    database = sqlite_utils.Database(str(filled))
    assert database["turns"].detect_fts() == "turns_search"
    assert [row["message"] for row in database["turns"].search('"refund 7"')] == ["refund 7"]
    database.close()


TABLES = {
    *("conversations", "turns", "tool_calls", "evaluation_results", "data_collection_results", "llm_usage", "tags"),
    *("rag_retrievals", "step_results", "turn_metrics", "dynamic_variables", "features"),
}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_export_of_all_tables_has_a_file_for_each_with_all_rows(filled: Path | str, tmp_path: Path, kind: Any) -> None:
    folder = tmp_path / "tables"
    with Archive.open(filled) as archive:
        count = archive.export(folder, all_tables=True, format=kind)
        with pytest.raises(InvalidArgumentError, match="exists already"):
            archive.export(folder, all_tables=True)
    assert {file.name for file in folder.iterdir()} == {f"{name}.{kind}" for name in TABLES}
    expected = {name: query(filled, f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in TABLES}
    assert count == sum(expected.values())
    if kind == "parquet":
        assert {name: pq.read_table(folder / f"{name}.parquet").num_rows for name in TABLES} == expected
        assert pq.read_table(folder / "turn_metrics.parquet").to_pylist()[1] == {
            "conversation_id": "conv_1",
            "turn_position": 0,
            "metric": "ttfb",
            "elapsed_secs": 2.0,
        }
        assert pq.read_table(folder / "step_results.parquet").to_pylist() == [
            {
                "conversation_id": "conv_1",
                "step": "score",
                "version": 2,
                "result": '{"mean":0.5}',
                "finished_time": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
            }
        ]


def test_export_of_all_tables_takes_filters(filled: Path | str, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    with Archive.open(filled) as archive:
        archive.export(folder, all_tables=True, since=1_700_000_000 + 18 * 3600, agent_id="agent_1")
    for name in ("conversations", "turns", "evaluation_results", "turn_metrics"):
        ids = pq.read_table(folder / f"{name}.parquet").column("conversation_id").to_pylist()
        assert ids == ["conv_18", "conv_19"], name


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_numbers_that_no_integer_holds_become_null_or_text(
    writer: ArchiveWriter, path: Path | str, number: int
) -> None:
    usage = {"model_usage": {"m": {"input": {"tokens": number, "price": 0.5}}}}
    metadata = {
        "accepted_time_unix_secs": number,
        "feedback": {"likes": number},
        "error": {"code": number},
        "charging": {"llm_charge": number, "llm_usage": {"initiated_generation": usage}},
    }
    analysis = {
        "evaluation_criteria_results": {"c": {"criteria_id": "c", "score": number}},
        "data_collection_results": {"d": {"data_collection_id": "d", "value": number}},
    }
    variables = {"dynamic_variables": {"n": number}}
    writer.store(
        [
            build_update(
                "c", "hello", metadata=metadata, analysis=analysis, conversation_initiation_client_data=variables
            )
        ]
    )
    (row,) = query(path, "SELECT accepted_time_unix_secs, likes, error_code, llm_charge FROM conversations")
    assert set(row.values()) == {None}
    assert query(path, "SELECT tokens, price FROM llm_usage") == [{"tokens": None, "price": 0.5}]
    assert query(path, "SELECT score FROM evaluation_results") == [{"score": None}]
    (value,) = query(path, "SELECT value FROM data_collection_results")
    assert float(value["value"]) == float(number)
    (variable,) = query(path, "SELECT value FROM dynamic_variables")
    assert float(variable["value"]) == pytest.approx(float(number))


@SQLITE_ONLY
def test_text_that_is_not_utf8_is_not_a_document(writer: ArchiveWriter, path: Path | str) -> None:
    line = summary("c")
    for raw in (b'{"conversation_id":"c","x":"\xff"}', b'{"conversation_id":"c","x":NaN}'):
        update = decode_update(line, raw)
        assert isinstance(update, ConversationUpdate)
        writer.store([update])
        assert query(path, "SELECT document FROM documents") == [{"document": None}]
