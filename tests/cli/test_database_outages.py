"""Commands that keep running wait for a database that does not respond, and end if it refuses the connection."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from command_line import interrupt, read_lines
from gate import Gate
from threaded_service import ThreadedService

from convai_async.cli._app import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgres import PostgresServer

pytest_plugins = ["postgres_fixtures"]

PROGRAM = """
import sys
from convai_async.cli import _app, _rounds
_rounds._RECONNECT_SECS = 0.1
sys.exit(_app.run())
"""
STEPS = """
from convai_async import Conversation, steps

@steps.step("score", version=1)
def score(conversation: Conversation) -> int:
    return 1
"""


@contextmanager
def start(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_note(process: subprocess.Popen[str]) -> None:
    """Read the messages of a command until it waits for the database."""
    assert process.stderr is not None
    assert any("waiting for the database: 'postgresql://" in line for line in process.stderr)


def test_harvest_that_keeps_running_waits_for_its_database_at_any_time(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(10)
    postgres_server.stop()
    with ThreadedService(conversations=30) as service:
        service.faults.add(gate, operation="get_conversation", times=None)
        monkeypatch.setenv("ELEVENLABS_API_KEY", service.api_key)
        with start("harvest", postgres_server.url, "--base-url", service.url, "--every", "1s") as process:
            wait_for_note(process)
            postgres_server.start()
            while gate.allowed > 0 or not gate.held:
                assert process.poll() is None
                time.sleep(0.02)
            postgres_server.stop("immediate")
            gate.allowed = float("inf")
            wait_for_note(process)
            postgres_server.start()
            [report, *_] = read_lines(process, 2)
            assert "30 found" in report
            postgres_server.stop()
            wait_for_note(process)
            code, err = interrupt(process, signal.SIGTERM)
            assert (code, err.count("waiting for the database")) == (0, 0), "once in each outage"


def test_steps_that_keep_running_wait_for_their_database(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outage_steps.py").write_text(STEPS)
    monkeypatch.chdir(tmp_path)
    url = postgres_server.url
    assert run(["harvest", url, "--sandbox", "5"]) == 0
    postgres_server.stop()
    assert run(["steps", "run", url, "--module", "outage_steps"]) == 1
    with start("steps", "run", url, "--module", "outage_steps", "--every", "1s") as process:
        wait_for_note(process)
        postgres_server.start()
        [report] = read_lines(process, 1)
        assert report.startswith("score version 1: ")
        postgres_server.stop()
        wait_for_note(process)
        assert interrupt(process)[0] == 0


@pytest.mark.parametrize("wrong", ["password", "database", "user"])
@pytest.mark.parametrize("command", ["harvest", "steps", "worker"])
def test_database_that_refuses_the_connection_ends_the_command(
    postgres_url: str,
    command: str,
    wrong: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    parts = urlsplit(postgres_url)
    value = {"password": f":{parts.password}@", "database": parts.path, "user": f"//{parts.username}"}[wrong]
    url = postgres_url.replace(value, {"password": ":mistaken@", "database": "/missing", "user": "//nobody"}[wrong])
    (tmp_path / "refused_steps.py").write_text(STEPS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELEVENLABS_API_KEY", "not-used")
    arguments = {
        "harvest": ["harvest", url, "--every", "1h"],
        "steps": ["steps", "run", url, "--module", "refused_steps", "--every", "1h"],
        "worker": ["worker", url],
    }[command]
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].endswith("Check the user, the password and the database")
    assert "waiting" not in err
    assert "mistaken" not in err
