"""Commands that write to an archive upgrade it, and show the progress."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from command_line import run_in_terminal

from convai_async.archive import Archive
from convai_async.cli._app import run

if TYPE_CHECKING:
    import pytest

DATA = Path(__file__).parents[1] / "data"


def old_archive(folder: Path) -> Path:
    path = folder / "calls.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "archive-schema-4.sql").read_text())
    return path


def write_export(folder: Path) -> Path:
    line = {
        "source": "sandbox:4",
        "conversation_id": "c",
        "fetched_unix_secs": 1,
        "conversation": {"conversation_id": "c"},
    }
    file = folder / "a.jsonl"
    file.write_bytes(msgspec.json.encode(line) + b"\n")
    return file


def test_import_upgrades_an_older_archive_and_shows_the_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, file = old_archive(tmp_path), write_export(tmp_path)
    for expected in (f"upgrading {path}: 6 of 6 conversations\n", ""):
        assert run(["import", str(path), str(file)]) == 0
        assert capsys.readouterr().err == expected
    with Archive.open(path) as archive:
        assert archive.status().conversations == 7


def test_upgrade_on_a_terminal_shows_a_progress_bar(tmp_path: Path) -> None:
    path = old_archive(tmp_path)
    command = [sys.executable, "-m", "convai_async", "import", str(path), str(write_export(tmp_path))]
    assert f"upgrading {path}" in run_in_terminal(command)
    with Archive.open(path) as archive:
        assert archive.status().conversations == 7
