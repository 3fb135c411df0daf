"""Ctrl-C, SIGTERM, SIGKILL and a second process during ``convai-async harvest``."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from command_line import COMMAND, count_conversations
from threaded_service import ThreadedService

from convai_async.cli._app import run
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

pytest_plugins = ["cli_fixtures"]

CONVERSATIONS = 700


def start_harvest(fake: FakeConvAI, archive: Path) -> tuple[subprocess.Popen[str], list[str], dict[str, str]]:
    """Start a harvest, and wait until it is in the middle."""
    env = {**os.environ, "ELEVENLABS_API_KEY": fake.api_key}
    command = [*COMMAND, "harvest", str(archive), "--base-url", fake.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, text=True)
    while len(fake.requests) < 300:
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"it ended: {process.wait(0.01)}")
    return process, command, env


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_ctrl_c_finishes_running_requests_and_the_same_command_resumes(
    archive: Path, number: signal.Signals
) -> None:
    with ThreadedService(conversations=CONVERSATIONS, latency=0.02) as fake:
        process, command, env = start_harvest(fake, archive)
        process.send_signal(number)
        out, err = process.communicate()
        assert process.returncode == 130
        assert "stopping: waiting for running requests (press Ctrl-C again to stop immediately)" in err
        assert "Traceback" not in err
        assert "interrupted: " in out
        assert f"resume with: convai-async harvest {archive} --base-url {fake.url}" in out
        kept = count_conversations(archive)
        assert 0 < kept < CONVERSATIONS
        fetched = len(fake.requests("get_conversation"))
        assert fetched == kept, "running requests were finished and written"
        assert run(["status", str(archive)]) == 0
        subprocess.run(command, check=True, env=env, capture_output=True)
        assert count_conversations(archive) == CONVERSATIONS
        assert len(fake.requests("get_conversation")) == CONVERSATIONS, "nothing was fetched twice"


def test_second_ctrl_c_stops_immediately_and_keeps_written_conversations(archive: Path) -> None:
    with ThreadedService(conversations=CONVERSATIONS, latency=0.02) as fake:
        process, command, env = start_harvest(fake, archive)
        fake.faults.add(faults.latency(60), times=None)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        for line in process.stderr:
            if "Ctrl-C again" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert process.returncode == 130
        assert "Traceback" not in err
        kept = count_conversations(archive)
        assert kept > 0
        fake.faults.clear()
        subprocess.run(command, check=True, env=env, capture_output=True)
        assert count_conversations(archive) == CONVERSATIONS


@pytest.mark.slow
def test_sigkill_loses_at_most_one_batch(archive: Path) -> None:
    with ThreadedService(conversations=CONVERSATIONS, latency=0.02) as fake:
        process, command, env = start_harvest(fake, archive)
        process.kill()
        process.communicate()
        kept = count_conversations(archive)
        assert 0 < kept < CONVERSATIONS
        subprocess.run(command, check=True, env=env, capture_output=True)
        assert count_conversations(archive) == CONVERSATIONS
        repeated = len(fake.requests("get_conversation")) - CONVERSATIONS
        assert 0 <= repeated <= 100 + 100 + 128, "the batch being written, the next batch and the running requests"
        raw = sqlite3.connect(archive)
        rows = raw.execute("SELECT conversation_id, raw FROM conversations").fetchall()
        raw.close()
        assert all(document == fake.conversations.document(each) for each, document in rows)


def test_second_harvest_of_the_same_archive_exits_with_1(archive: Path) -> None:
    with ThreadedService(conversations=CONVERSATIONS, latency=0.02) as fake:
        process, command, env = start_harvest(fake, archive)
        process.send_signal(signal.SIGSTOP)  # or it may end before the second one has started
        second = subprocess.run(command, check=False, env=env, capture_output=True, text=True)
        process.send_signal(signal.SIGCONT)
        assert second.returncode == 1
        assert "another process is writing to" in second.stderr
        _, err = process.communicate()
        assert process.returncode == 0, err
        assert count_conversations(archive) == CONVERSATIONS
