"""Commands that write to an archive upgrade it, and show the progress."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from convai_async.archive import Archive
from convai_async.cli._app import run

if TYPE_CHECKING:
    import pytest

DATA = Path(__file__).parents[1] / "data"


def test_import_upgrades_an_older_archive_and_shows_the_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "calls.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "archive-schema-4.sql").read_text())
    line = {
        "source": "sandbox:4",
        "conversation_id": "c",
        "fetched_unix_secs": 1,
        "conversation": {"conversation_id": "c"},
    }
    (tmp_path / "a.jsonl").write_bytes(msgspec.json.encode(line) + b"\n")
    for expected in (f"upgrading {path}: 6 of 6 conversations\n", ""):
        assert run(["import", str(path), str(tmp_path / "a.jsonl")]) == 0
        assert capsys.readouterr().err == expected
    with Archive.open(path) as archive:
        assert archive.status().conversations == 7
