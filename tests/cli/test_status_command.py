"""``convai-async status``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from convai_async.archive._writer import ArchiveWriter
from convai_async.cli._app import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_status_shows_the_error_that_ended_the_last_harvest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "calls.db"
    with ArchiveWriter(path, "sandbox:1", clock=lambda: 1_700_000_000.0) as writer:
        writer.end_run(writer.begin_run(), {"fetched": 3}, error="the key is not\naccepted")
    assert run(["status", str(path), "--utc"]) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if each.startswith("last harvest: ")]
    assert "still running" not in line
    assert line.endswith(" failed 2023-11-14 22:13:20, 3 fetched: the key is not accepted")
    assert run(["status", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["last_run"]["error"] == "the key is not\naccepted"


def test_status_of_a_run_that_did_not_end_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "calls.db"
    with ArchiveWriter(path, "sandbox:1") as writer:
        writer.begin_run()
    assert run(["status", str(path)]) == 0
    assert "still running or killed" in capsys.readouterr().out
