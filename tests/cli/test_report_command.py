"""``convai-async report``."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from report_archives import DAY, build_document, write_archive

from convai_async.cli._app import run

DATA = Path(__file__).parents[1] / "data"
NOW = int(time.time())


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with a call on each of the last 20 days, of two agents."""
    calls = [
        build_document(f"conv_{day}", start=NOW - day * DAY - 60, agent="Billing" if day % 2 else "Returns")
        for day in range(20)
    ]
    return write_archive(tmp_path / "calls.db", *calls)


def test_report_prints_the_last_week(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(archive)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "\x1b" not in output.out
    assert "Calls             7 " in output.out
    assert output.out.count("████████████████      1  100.0 %") == 7


def test_report_is_filtered_and_compared(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(archive), "--since", "4d", "--agent", "agent_Billing", "--compare", "previous"]) == 0
    assert "Calls             2          +0 %" in capsys.readouterr().out
    assert run(["report", str(archive), "--compare", "previous"]) == 0
    assert "Calls             7          +0 %" in capsys.readouterr().out


def test_html_writes_a_page_of_all_days(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert run(["report", str(archive), "--html", str(page)]) == 0
    assert capsys.readouterr().out.startswith(f"{page}: 20 calls, 20")
    assert page.read_text().startswith("<!doctype html>")
    assert run(["report", str(archive), "--html", str(page), "--since", "2d"]) == 2
    assert "already exists: choose another file, or add --force" in capsys.readouterr().err
    assert run(["report", str(archive), "--html", str(page), "--since", "2d", "--force"]) == 0
    assert f"{page}: 2 calls" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--force"], "--force is for --html"),
        (["--html", "x.html", "--compare", "previous"], "--compare needs --since"),
        (["--agent", "agent_2"], "has no conversations that match: choose another agent or period"),
        (["--html", "none/report.html"], "the folder 'none' does not exist"),
    ],
    ids=str,
)
def test_problems_are_explained(
    archive: Path, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(archive), *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert problem in output.err


def test_archive_of_an_older_version_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "archive-schema-4.sql").read_text())
    assert run(["report", str(path)]) == 2
    assert "was written by an older convai_async" in capsys.readouterr().err
