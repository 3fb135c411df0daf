"""``convai-async steps``."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from archives import rows
from command_line import COMMAND, interrupt, read_lines

from convai_async import steps
from convai_async.archive import ArchiveBusyError
from convai_async.cli._app import run
from convai_async.cli._commands import _steps
from convai_async.cli._display import _progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]

MODULE = """
import asyncio
import os
import threading
from convai_async import Conversation, steps

@steps.step("score", version=1)
async def score(conversation: Conversation) -> dict[str, int]:
    return {"turns": len(conversation.transcript)}

@steps.step("strict", version=2, max_attempts=2)
def strict(conversation: Conversation) -> None:
    if conversation.conversation_id < "conv_8":
        raise ValueError("too \\x1b[31mlong")

@steps.step("endless", version=1)
async def endless(conversation: Conversation) -> None:
    print("running", flush=True)
    await asyncio.Event().wait()

@steps.step("endless_thread", version=1)
def endless_thread(conversation: Conversation) -> None:
    os.write(1, b"running\\n")  # in one piece: several threads write
    threading.Event().wait()

@steps.step("interrupted", version=1)
def interrupted(conversation: Conversation) -> None:
    raise KeyboardInterrupt
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "example_steps.py"
    path.write_text(MODULE)
    yield path
    sys.modules.pop("example_steps", None)


def write(archive: Path, statement: str) -> None:
    with closing(sqlite3.connect(archive)) as connection, connection:
        connection.execute(statement)


def run_steps_command(archive: Path, *arguments: str, code: int = 0) -> None:
    assert run(["steps", "run", str(archive), "--module", "example_steps", *arguments]) == code


def test_run_stores_results_and_prints_the_counts(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_steps_command(harvested, "--step", "score", "--step", "strict", code=1)
    out = capsys.readouterr().out
    [(count,)] = rows(harvested, "SELECT count(*) FROM conversations WHERE status IN ('done', 'failed')")
    [(long,)] = rows(harvested, "SELECT count(*) FROM step_jobs WHERE step = 'strict'")
    assert 0 < long < count
    assert out.splitlines() == [
        f"score version 1: {count} done, 0 failed",
        f"strict version 2: {count - long} done, {long} failed",
        "  last error: ValueError: too [31mlong (line 14)",
    ]
    run_steps_command(harvested, "--step", "score", "--json")
    report = json.loads(capsys.readouterr().out)
    assert (report["step"], report["done"], report["last_error"]) == ("score", 0, None)


def test_status_shows_counts_and_failures_and_retry_queues_them_again(
    harvested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["steps", "status", str(harvested)]) == 0
    assert capsys.readouterr().out == f"no step was run on {harvested}\n"
    for _ in range(2):
        run_steps_command(harvested, "--step", "strict", code=1)
        write(harvested, "UPDATE step_jobs SET due_unix_secs = min(due_unix_secs, 1)")
    capsys.readouterr()
    assert run(["steps", "status", str(harvested), "--utc"]) == 0
    [(long,)] = rows(harvested, "SELECT count(*) FROM step_jobs WHERE step = 'strict'")
    [(done,)] = rows(harvested, "SELECT count(*) FROM step_results WHERE step = 'strict'")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "strict version 2, for final conversations",
        f"{done:>9} done",
        f"{0:>9} due",
        f"{long:>9} dead: `convai-async steps retry {harvested}` queues them again",
    ]
    assert re.fullmatch(r"conv_\w+, strict: dead after 2 attempts: ValueError: too \[31mlong \(line 14\)", lines[4])
    assert run(["steps", "status", str(harvested), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["steps"][0]["name"], printed["steps"][0]["dead"]) == ("strict", long)
    assert printed["failures"][0]["retry_unix_secs"] is None
    assert run(["steps", "retry", str(harvested), "--step", "strict"]) == 0
    assert run(["steps", "retry", str(harvested)]) == 0
    assert capsys.readouterr().out == f"{long} queued again\n0 queued again\n"
    run_steps_command(harvested, "--step", "strict", code=1)


def test_status_shows_all_states_of_conversations(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_steps_command(harvested, "--step", "score")
    write(harvested, "UPDATE steps SET version = 2, queued_to = ''")
    waiting = "SELECT conversation_id, 'score', 2, 1, 2000000000, NULL, 'ValueError' FROM step_results LIMIT 26"
    write(harvested, f"INSERT INTO step_jobs {waiting}")
    running = "SELECT conversation_id, 'score', 2, 1, 1900000000, 'x', NULL FROM step_results LIMIT 1 OFFSET 26"
    write(harvested, f"INSERT INTO step_jobs {running}")
    capsys.readouterr()
    assert run(["steps", "status", str(harvested), "--utc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    [(outdated,)] = rows(harvested, "SELECT count(*) FROM step_results")
    assert lines[:6] == [
        "score version 2, for final conversations",
        "        0 done",
        f"{outdated:>9} with the result of an older version",
        "        0 due, and others that are not queued yet",
        "        1 running",
        "       26 waiting for a retry, the first 2033-05-18 03:33:20",
    ]
    assert lines[6].endswith(", score: retried 2033-05-18 03:33:20 after 1 attempt: ValueError")
    assert lines[-1] == "and 6 more: --json prints up to 1,000"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["run", "none.db", "--module", "example_steps"], "there is no archive 'none.db'"),
        (["run", "none.db"], "Missing option '--module'"),
        (["run", "none.db", "--module", "absent"], "there is no module 'absent' in "),
        (
            ["run", "none.db", "--module", "example_steps", "--step", "x"],
            "has no step 'x', only score, strict, endless, endless_thread, interrupted",
        ),
        (["status", "none.db"], "there is no archive 'none.db'"),
        (["retry", "none.db"], "there is no archive 'none.db'"),
    ],
    ids=" ".join,
)
def test_invalid_usage_prints_the_problem_and_exits_with_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["steps", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_retry_of_an_unknown_step_names_the_known_ones_and_exits_with_2(
    harvested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    retry = ["steps", "retry", str(harvested), "--step", "strict", "--step", "scor"]
    assert run(retry) == 2
    assert "no step 'strict' was run on this archive; steps that were run: none\n" in capsys.readouterr().err
    run_steps_command(harvested, "--step", "score", "--step", "strict", code=1)
    capsys.readouterr()
    assert run(retry) == 2
    assert "no step 'scor' was run on this archive; steps that were run: score, strict\n" in capsys.readouterr().err


def test_progress_is_printed_every_ten_seconds(
    harvested: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress.LineClock, "is_due", lambda _: True)
    run_steps_command(harvested, "--step", "score")
    assert re.match(r"score version 1: \d+ done, 0 failed\n", capsys.readouterr().err)
    run_steps_command(harvested, "--step", "strict", "--json", code=1)
    assert capsys.readouterr().err == ""


def test_aborted_run_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    report = steps.StepReport("score", 1, failed=100, dead=3, discarded=2, aborted=True, last_error="KeyError")
    _steps._print_reports([report], as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "score version 1: 0 done, 100 failed (3 dead), 2 discarded",
        "  last error: KeyError",
        "  stopped after 100 failures in a row: correct the step, and run it again for the others",
    ]


def start(archive: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [*COMMAND, "steps", "run", str(archive), "--module", "example_steps", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("step", ["endless", "endless_thread"])
def test_second_ctrl_c_stops_immediately_and_gives_the_conversations_back(harvested: Path, step: str) -> None:
    process = start(harvested, "--step", step)
    assert read_lines(process, 1) == ["running"]
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline() == "\n"
    assert "(press Ctrl-C again to stop immediately)" in process.stderr.readline()
    code, err = interrupt(process)
    assert (code, err) == (130, "interrupted\n")
    jobs = rows(harvested, "SELECT DISTINCT attempts, claim, error FROM step_jobs")
    assert jobs == [(0, None, None)]


def test_keyboard_interrupt_in_a_step_ends_the_command(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_steps_command(harvested, "--step", "interrupted", "--every", "1s", code=130)
    assert capsys.readouterr().err.strip() == "interrupted"
    assert rows(harvested, "SELECT DISTINCT attempts, claim, error FROM step_jobs") == [(0, None, None)]


def test_every_keeps_running_until_it_is_stopped(harvested: Path) -> None:
    process = start(harvested, "--step", "score", "--every", "1s")
    [first] = read_lines(process, 1)
    write(
        harvested,
        "INSERT INTO step_jobs SELECT conversation_id, 'score', 1, 0, 1, NULL, NULL FROM step_results LIMIT 1",
    )
    [second] = read_lines(process, 1)
    assert first.endswith(" done, 0 failed")
    assert second == "score version 1: 1 done, 0 failed"
    code, _ = interrupt(process, signal.SIGTERM)
    assert code == 0


def test_busy_archive_does_not_end_a_command_that_keeps_running(
    harvested: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_busy_once(*_: Any, stop: Any, **__: Any) -> list[Any]:
        if errors:
            raise errors.pop()
        stop.set()
        return []

    errors = [ArchiveBusyError("other processes have locked it")]
    monkeypatch.setattr(_steps, "run_steps", be_busy_once)
    run_steps_command(harvested, "--every", "1s")
    assert "convai-async: other processes have locked it\n" in capsys.readouterr().err


def test_error_that_does_not_pass_ends_a_command_that_keeps_running(
    harvested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_steps_command(harvested, "--step", "score")
    write(harvested, "UPDATE steps SET version = 2")
    run_steps_command(harvested, "--step", "score", "--every", "1s", code=2)
    assert "version 2 of the step 'score' was run on this archive" in capsys.readouterr().err


def test_interrupted_run_exits_with_130(harvested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def be_stopped(*_: Any, stop: Any, **__: Any) -> list[Any]:
        stop.set()
        return []

    monkeypatch.setattr(_steps, "run_steps", be_stopped)
    run_steps_command(harvested, code=130)
