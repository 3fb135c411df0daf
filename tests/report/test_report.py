"""The numbers of a report."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from report_archives import DAY, HOSTILE, START, build_document, write_archive

from convai_async.archive import Archive, ArchiveError
from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.report import Report, build_report

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()


def columns(report: Report, table: str, *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in names) for row in report.tables[table].to_dicts())


def test_report_has_the_numbers_of_the_archive_s_views(harvested: Path) -> None:
    report = build_report(harvested)
    daily = "SELECT day, sum(calls), sum(successful), sum(failed) FROM daily GROUP BY day ORDER BY day"
    assert columns(report, "volume", "date", "calls", "success", "failure") == query(harvested, daily)
    agents = "SELECT agent_name, calls, cost FROM agents ORDER BY agent_name"
    assert columns(report, "agents", "agent", "calls", "cost") == query(harvested, agents)
    criteria = "SELECT criteria_id, results, successful, failed FROM criteria ORDER BY criteria_id"
    assert columns(report, "criteria", "criterion", "results", "success", "failure") == query(harvested, criteria)
    turns = "SELECT turns FROM latency ORDER BY turns"
    assert columns(report, "latency", "turns") == query(harvested, turns)
    costs = "SELECT agent_name, model, calls, input_tokens FROM costs ORDER BY agent_name, model"
    assert columns(report, "costs", "agent", "model", "calls", "input") == query(harvested, costs)
    assert sum(row["price"] for row in report.tables["costs"].to_dicts()) == pytest.approx(  # type: ignore[misc]
        query(harvested, "SELECT sum(price) FROM llm_usage")[0][0]
    )
    ((calls, failed),) = query(harvested, "SELECT sum(calls), sum(failed) FROM tools")
    rows = report.tables["tools"].to_dicts()
    assert [sum(int(row[name] or 0) for row in rows) for name in ("calls", "failed")] == [calls, failed]
    values = "SELECT count(*) FROM data_collection_results WHERE value IS NOT NULL"
    assert sum(row["calls"] for row in report.tables["collected"].to_dicts()) == query(harvested, values)[0][0]  # type: ignore[misc]


def test_key_figures_have_values_and_text(tmp_path: Path) -> None:
    calls = [
        build_document("c1", rating=5, criteria={"polite": "success", "solved": "failure"}, latency=0.5),
        build_document("c2", outcome="failure", rating=2, tool_fails=True, seconds=180, dollars=0.25),
        build_document("c3", outcome="unknown", seconds=None, credits_=None),
    ]
    figures = build_report(write_archive(tmp_path / "calls.db", *calls)).figures
    texts = {name: each.text for name, each in figures.items()}
    assert texts == {
        "calls": "3",
        "success_rate": "50.0 %",
        "pass_rate": "50.0 %",
        "minutes": "4",
        "median_duration": "1:03 min",
        "first_byte_p95": "0.86 s",
        "tool_failure_rate": "33.3 %",
        "rating": "3.50",
        "cost": "200",
        "price": "$1.25",
    }


def test_hours_and_durations_and_feedback(tmp_path: Path) -> None:
    calls = [
        build_document("c1", seconds=29, likes=1, rating=4),
        build_document("c2", seconds=30, start=START + DAY, dislikes=2),
        build_document("c3", seconds=8000, start=START + 8 * DAY, error="The line dropped.", ending=None),
    ]
    tables = build_report(write_archive(tmp_path / "calls.db", *calls)).tables
    assert tables["hours"].texts == [["Mon", "14", "1"], ["Tue", "14", "2"]]
    assert [row[:2] for row in tables["durations"].texts] == [
        ["under 30 s", "1"],
        ["30 to 60 s", "1"],
        ["over 30 min", "1"],
    ]
    assert [row[:2] for row in tables["ratings"].texts] == [["dislike", "2"], ["4", "1"], ["like", "1"]]
    assert tables["errors"].texts == [["The line dropped.", "1", "100.0 %"]]
    assert [row[:2] for row in tables["endings"].texts] == [["end_call tool was called", "2"], ["(none)", "1"]]


def test_filters_select_conversations(tmp_path: Path) -> None:
    calls = [build_document(f"c{day}", start=START + day * DAY, agent=f"A{day % 2}") for day in range(10)]
    path = write_archive(tmp_path / "calls.db", *calls)

    def count(**filters: Any) -> str:
        return build_report(path, **filters).figures["calls"].text

    assert count(agent_id="agent_A1") == "5"
    assert count(since=START + DAY) == "9"
    assert count(until=START + DAY) == "1"
    assert count(since=date(2026, 9, 22), until=datetime(2026, 9, 24, tzinfo=UTC)) == "2"
    assert count(days=3) == "3"
    assert count(days=3, agent_id="agent_A1", until=START + 5 * DAY) == "2"


def test_period_is_that_of_the_filters_and_the_conversations(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "calls.db", build_document("c1"), build_document("c2", start=START + DAY))
    assert build_report(path).period == "2026-09-21 14:13 to 2026-09-22 14:13 UTC"
    assert build_report(path, since=date(2026, 9, 1)).period == "2026-09-01 00:00 to 2026-09-22 14:13 UTC"
    assert repr(build_report(path)) == "<Report 2 calls, 2026-09-21 14:13 to 2026-09-22 14:13 UTC>"


def test_comparison_shows_the_change_from_the_period_before(tmp_path: Path) -> None:
    before = [build_document(f"b{number}", start=START - DAY, outcome="failure", rating=4) for number in range(2)]
    now = [build_document(f"n{number}", rating=3, latency=1.6) for number in range(3)]
    path = write_archive(tmp_path / "calls.db", *before, *now)
    report = build_report(path, days=1, compare="previous")
    figures = {name: (each.change, each.is_better) for name, each in report.figures.items()}
    assert figures["calls"] == ("+50 %", None)
    assert figures["success_rate"] == ("+100.0 points", True)
    assert figures["rating"] == ("-1.00", False)
    assert figures["first_byte_p95"][1] is False
    assert figures["pass_rate"] == (None, None)
    assert figures["tool_failure_rate"] == ("+0.0 points", None)
    alone = build_report(path, since=START - DAY, until=START + 1, compare="previous")
    assert {each.change for each in alone.figures.values()} == {None}


def test_comparison_of_a_number_with_zero_says_nothing(tmp_path: Path) -> None:
    calls = [build_document("b", start=START - DAY, credits_=0), build_document("n")]
    report = build_report(write_archive(tmp_path / "calls.db", *calls), days=1, compare="previous")
    assert report.figures["cost"].change is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"days": 7, "since": START}, "days: cannot be combined with"),
        ({"days": 0}, "days"),
        ({"compare": "next"}, "compare"),
        ({"compare": "previous"}, "needs `since` or `days`"),
        ({"since": START, "until": START}, "earlier than `until`"),
        ({"since": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001 - the point
        ({"agent_id": ""}, "agent_id"),
    ],
    ids=str,
)
def test_invalid_arguments_are_rejected(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        build_report("missing.db", **arguments)


def test_conversations_without_a_valid_start_are_left_out(tmp_path: Path) -> None:
    calls = [build_document("c1"), build_document("c2", start=None), build_document("c3", start=START * 1000)]
    assert build_report(write_archive(tmp_path / "calls.db", *calls)).figures["calls"].value == 1


@pytest.mark.parametrize("filters", [{}, {"agent_id": "agent_2"}, {"days": 7, "agent_id": "agent_2"}], ids=str)
def test_report_of_no_conversations_says_so(tmp_path: Path, filters: dict[str, Any]) -> None:
    path = write_archive(tmp_path / "calls.db", *([build_document("c1")] if filters else []), build_document("x"))
    if not filters:
        change(path, "DELETE FROM conversations")
    problem = (
        "has no conversations that match: choose another agent or period; its conversations are from 2026-.* UTC$"
        if filters
        else "has no conversations with a start time: harvest some first$"
    )
    with pytest.raises(ArchiveError, match=problem):
        build_report(path, **filters)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE conversations SET rating = 'much'",
        "UPDATE conversations SET turn_metrics = '[1]'",
        "UPDATE conversations SET turn_metrics = 'x'",
        "UPDATE conversations SET call_duration_secs = x'00'",
        "UPDATE conversations SET call_summary_title = CAST(x'ff' AS TEXT)",
        "UPDATE tool_calls SET is_error = 'yes'",
        "UPDATE evaluation_results SET result = x'00'",
        "UPDATE conversations SET start_time_unix_secs = 1790000000.5",
    ],
)
def test_damaged_values_raise_an_archive_error(tmp_path: Path, damage: str) -> None:
    path = write_archive(tmp_path / "calls.db", build_document("c1", criteria={"polite": "success"}))
    assert build_report(path).figures["calls"].value == 1
    change(path, damage)
    with pytest.raises(ArchiveError, match=r"contains data that convai_async did not write|Could not decode"):
        build_report(path)


def test_agents_with_few_calls_become_one_and_names_are_unique(tmp_path: Path) -> None:
    calls = [build_document(f"c{number}", agent=f"A{number // 2}") for number in range(24)]
    path = write_archive(tmp_path / "calls.db", *calls)
    change(path, "UPDATE conversations SET agent_name = 'Same' WHERE agent_id IN ('agent_A1', 'agent_A2')")
    change(path, "UPDATE conversations SET agent_name = NULL WHERE agent_id = 'agent_A3'")
    change(path, "UPDATE conversations SET agent_id = NULL, agent_name = NULL WHERE agent_id = 'agent_A4'")
    rows = build_report(path).tables["agents"].rows
    names = [str(row[0]) for row in rows]
    assert {"Same (agent_A1)", "Same (agent_A2)", "agent_A3", "(none)"} <= set(names)
    assert [row[:2] for row in rows][-1] == ["(other agents)", 8]


def test_lists_have_the_longest_most_expensive_and_worst_calls(tmp_path: Path) -> None:
    calls = [build_document(f"c{number:02}", seconds=number, dollars=number / 100) for number in range(1, 13)]
    calls += [
        build_document("w1", outcome="failure", seconds=0, dollars=None, credits_=None),
        build_document("w2", outcome="failure", rating=1, seconds=0, dollars=None, credits_=None),
        build_document("w3", error="Gone", seconds=0, rating=1, tool_fails=True, dollars=None, credits_=None),
        build_document("w4", dislikes=1, seconds=0, dollars=None, credits_=None),
        build_document("w5", rating=2, comment="x" * 400, seconds=0, criteria={"a": "failure"}, dollars=None),
    ]
    found = build_report(write_archive(tmp_path / "calls.db", *calls)).calls
    assert [each.conversation_id for each in found.longest] == [f"c{number:02}" for number in range(12, 2, -1)]
    assert [each.conversation_id for each in found.most_expensive] == [f"c{number:02}" for number in range(12, 2, -1)]
    assert [each.conversation_id for each in found.worst] == ["w3", "w2", "w1", "w5", "w4"]
    assert [(each.outcome, each.reason, each.failed_tools) for each in found.worst[:1]] == [("failed", "Gone", 1)]
    (commented,) = found.commented
    assert commented.comment == "x" * 299 + "…"
    assert commented.failed_criteria == 1


def test_report_reads_an_open_archive_while_another_process_writes(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "calls.db", build_document("c1"))
    with Archive.open(path) as archive:
        with archive.snapshot() as connection:
            count = "SELECT count(*) FROM conversations"
            assert connection.execute(count).fetchone() == (1,)
            write_archive(path, build_document("c2"))
            assert connection.execute(count).fetchone() == (1,)
        assert build_report(archive).figures["calls"].value == 2


def test_snapshot_cannot_write_and_translates_errors(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "calls.db", build_document("c1"))
    with Archive.open(path) as archive:
        with pytest.raises(ArchiveError, match="readonly"), archive.snapshot() as connection:
            connection.execute("DELETE FROM conversations")
        assert archive.status().conversations == 1


def test_notebooks_show_the_key_figures(tmp_path: Path) -> None:
    html = build_report(write_archive(tmp_path / "calls.db", build_document("c1")))._repr_html_()
    assert "<th style='text-align:left'>Calls</th><td>1</td>" in html
    assert "Model&#x27;s first byte, p95" in html


def test_notebooks_show_a_table(tmp_path: Path) -> None:
    call = build_document("c1", agent="<A>")
    table = build_report(write_archive(tmp_path / "calls.db", call)).tables["agents"]
    assert repr(table).startswith("<Table 'agents' 1 rows: agent, calls, ")
    html = table._repr_html_()
    assert html.startswith("<table><caption>Agents</caption><tr><th>Agent</th><th>Calls</th>")
    assert "&lt;A&gt;" in html
    assert "<A>" not in html


def test_charts_are_altair_charts_of_the_tables(harvested: Path) -> None:
    report = build_report(harvested)
    assert repr(report.charts).startswith("<Charts: volume, success, ")
    charts = report.charts.build_all()
    assert set(charts) >= {"volume", "hours", "latency", "collected"}
    for name, chart in charts.items():
        spec = chart.to_dict()
        assert spec["data"]["values"] or name == "errors"
        assert "The table below has the numbers." in str(spec)
    assert report.charts.volume().to_dict()["data"]["values"] == report.tables["volume"].to_dicts()


def test_charts_without_the_extra_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = build_report(write_archive(tmp_path / "calls.db", build_document("c1")))
    for module in ("convai_async.report._charts", "convai_async.report._html"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "altair", None)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for use in (lambda: report.charts, report.to_html):
        with pytest.raises(ConfigurationError, match=r"pip install 'convai-async\[report\]'"):
            use()


def test_long_and_blank_labels_are_tidied(tmp_path: Path) -> None:
    calls = [
        build_document("c1", ending="a\n b\t c", language=" "),
        build_document("c2", ending="y" * 200, language=HOSTILE),
    ]
    tables = build_report(write_archive(tmp_path / "calls.db", *calls)).tables
    assert sorted(str(row[0]) for row in tables["endings"].rows) == ["a b c", "y" * 79 + "…"]
    assert "(none)" in {row[0] for row in tables["languages"].rows}
