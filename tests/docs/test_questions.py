"""The questions of the documentation have the same answers everywhere, and the other tools read the archive."""

from __future__ import annotations

import importlib
import json
import math
import re
import shlex
import sqlite3
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from documentation import DOCS, blocks

from convai_async.archive import Archive
from convai_async.archive._queries._questions import QUESTIONS, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

PAGE = DOCS / "questions.md"


@pytest.fixture(scope="module")
def tables(harvested: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tables of the archive, as Parquet."""
    folder = tmp_path_factory.mktemp("exported") / "tables"
    with Archive.open(harvested / "calls.db") as archive:
        archive.export(folder, all_tables=True)
    return folder


def normalize(rows: Iterable[Iterable[Any]]) -> list[tuple[str, ...]]:
    """Return rows as text, sorted: the order of equal rows and the types of numbers and times differ."""

    def format_value(value: Any) -> str:
        if value is None or isinstance(value, str | date):
            return str(value)[:19]
        return str(None if math.isnan(value) else round(float(value), 6))  # pandas has NaN for null

    return sorted(tuple(map(format_value, row)) for row in rows)


def answer_in_sqlite(harvested: Path, question: Question) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(harvested / "calls.db")) as connection:
        return normalize(connection.execute(question.sql))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_answer_of_duckdb_and_pandas_is_that_of_sqlite(
    question: Question, harvested: Path, tables: Path, load: Callable[[str], dict[str, Any]]
) -> None:
    pd = pytest.importorskip("pandas")
    expected = answer_in_sqlite(harvested, question)
    assert len(expected) > 1
    with closing(sqlite3.connect(harvested / "calls.db")) as connection:
        assert normalize(pd.read_sql_query(question.sql, connection).to_numpy()) == expected
    with closing(load("questions")["open_tables"](str(tables))) as connection:
        assert normalize(connection.execute(question.sql).fetchall()) == expected


def test_data_frames_of_exported_tables_have_each_tool_and_metric(
    load: Callable[[str], dict[str, Any]], tables: Path, harvested: Path
) -> None:
    examples = load("dataframes_archive")
    with closing(sqlite3.connect(harvested / "calls.db")) as connection:
        tools = dict(connection.execute("SELECT tool_name, max(tool_latency_secs) FROM tool_calls GROUP BY tool_name"))
        metrics = dict(connection.execute("SELECT metric, p95 FROM latency"))
    by_tool = dict(examples["latency_by_tool"](str(tables)))
    assert by_tool.keys() == tools.keys()
    assert all(value <= tools[tool] for tool, value in by_tool.items() if not math.isnan(value))
    assert dict(examples["latency_by_metric"](str(tables)).iter_rows()) == pytest.approx(metrics, rel=0.1)


@pytest.mark.usefixtures("archive_here")
def test_documented_commands_of_sqlite_utils_print_rows() -> None:
    cli = pytest.importorskip("sqlite_utils.cli").cli
    from click.testing import CliRunner  # noqa: PLC0415 - as above

    lines = [line for block in blocks(PAGE, "console") for line in block.code.splitlines()]
    commands = [shlex.split(line)[2:] for line in lines if line.startswith("$ sqlite-utils ")]
    assert len(commands) == 3
    outputs = [CliRunner().invoke(cli, command, catch_exceptions=False).output for command in commands]
    assert "convai_tts_service_ttfb" in outputs[0]
    assert [len(json.loads(output)) for output in outputs[1:]] == [5, 5]
    assert "refund" in outputs[2]


def test_page_has_every_question_with_its_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    text = importlib.import_module("archive_schema").format_questions()
    assert "```{archive-questions}\n" in PAGE.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [question.title for question in QUESTIONS]
    statements = re.findall(r"^```sql\n(.*?);\n```$", text, re.MULTILINE | re.DOTALL)
    assert statements == [question.sql for question in QUESTIONS]
