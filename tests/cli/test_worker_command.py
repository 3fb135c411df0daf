"""``convai-async worker`` in processes that are started together, killed, stopped, and lose their database.

``WORKER_KILLS`` is how many workers one harvest loses, and ``-rP`` prints how long others took to continue.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from command_line import COMMAND
from gate import Gate
from threaded_service import ThreadedService
from worker_database import count_stored, query

from convai_async.cli._app import run
from convai_async.workers import ScheduledWorkspace, add_workspaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postgres import PostgresServer

    from convai_async.testing import FakeConvAI

pytest_plugins = ["postgres_fixtures"]

KILLS = int(os.environ.get("WORKER_KILLS", "1"))
STEP = 20
"""How many conversations are fetched before each interruption."""
AGE_HEARTBEATS = """
UPDATE convai_queue.procrastinate_workers SET last_heartbeat = now() - interval '1 hour' WHERE id IN (
    SELECT worker_id FROM convai_queue.procrastinate_jobs WHERE queue_name = 'convai' AND status = 'doing')
"""
COMPLETE = "SELECT worker FROM convai.harvests WHERE outcome = 'complete'"


class Workers:
    """Worker processes over one database; their messages are in a folder."""

    def __init__(self, url: str, folder: Path, stack: ExitStack) -> None:
        self.url = url
        self.processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        self._stack = stack

    def start(self, number: int, *options: str) -> None:
        """Start workers at the same time."""
        for _ in range(number):
            log = self._stack.enter_context((self._folder / f"worker{len(self.processes)}.log").open("w"))
            process = subprocess.Popen([*COMMAND, "worker", self.url, "--stalled-after", "9", *options], stderr=log)
            self._stack.callback(process.wait)
            self._stack.callback(process.kill)
            self.processes.append(process)

    def wait_until(self, is_true: Callable[[], Any]) -> None:
        """Poll until something is true; pytest limits the time."""
        while not is_true():
            if all(process.poll() is not None for process in self.processes):
                pytest.fail(f"all workers have ended: {self.read_logs()}")
            time.sleep(0.25)  # each look can open a connection

    def read_logs(self) -> str:
        """Return the messages of all workers."""
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("worker*.log")))

    def wait_for_another(self, than: subprocess.Popen[bytes]) -> None:
        """Wait until another worker harvests."""
        self.wait_until(lambda: self.find_harvesting() is not than)

    def find_harvesting(self) -> subprocess.Popen[bytes]:
        """Return the worker that harvests."""
        [name] = query(self.url, "SELECT worker FROM convai.harvests ORDER BY id DESC LIMIT 1")
        return next(each for each in self.processes if name.endswith(f":{each.pid}"))

    def stop(self) -> None:
        """Stop those that run, and check that they end in order."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait() == 0
        assert "Traceback" not in self.read_logs()


@contextmanager
def start_workers(url: str, folder: Path, number: int, *options: str) -> Iterator[Workers]:
    with ExitStack() as stack:
        workers = Workers(url, folder, stack)
        workers.start(number, *options)
        yield workers


@pytest.fixture
def gate() -> Gate:
    return Gate(STEP)


@pytest.fixture
def service(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeConvAI]:
    """A service that answers some requests for conversations, and holds the others."""
    with ThreadedService(conversations=STEP * (KILLS + 2), seed=3) as fake:
        fake.faults.add(gate, operation="get_conversation", times=None)
        monkeypatch.setenv("ACME_KEY", fake.api_key)
        yield fake


def add_acme(url: str, service: FakeConvAI) -> None:
    workspace = ScheduledWorkspace(name="acme", key="env:ACME_KEY", base_url=service.url, schedule="0 0 1 1 *")
    asyncio.run(add_workspaces(url, [workspace]))


def check_complete(url: str, service: FakeConvAI) -> None:
    """Check that each conversation is stored once."""
    assert count_stored(url) == (len(service.conversations), len(service.conversations))


@pytest.mark.slow
def test_harvest_of_a_killed_worker_is_continued_and_nothing_is_lost_or_stored_twice(
    service: FakeConvAI, gate: Gate, postgres_url: str, tmp_path: Path
) -> None:
    add_acme(postgres_url, service)
    seconds, again = [], []
    with start_workers(postgres_url, tmp_path, 2) as workers:
        for number in range(KILLS):
            workers.wait_until(lambda: gate.allowed <= 0 and gate.held)
            victim = workers.find_harvesting()
            stored, fetched = count_stored(postgres_url)[0], len(service.requests("get_conversation")) - gate.held
            victim.kill()
            victim.wait()
            killed = time.monotonic()
            again.append(fetched - stored)
            if KILLS == 1:
                query(postgres_url, AGE_HEARTBEATS)
            else:
                query(postgres_url, "UPDATE convai_queue.procrastinate_jobs SET attempts = 0")  # five are the limit
                workers.start(1)
            workers.wait_for_another(victim)
            seconds.append(time.monotonic() - killed)
            gate.allowed = STEP if number < KILLS - 1 else float("inf")
        workers.wait_until(lambda: query(postgres_url, COMPLETE))
        check_complete(postgres_url, service)
        assert "has no heartbeat: another worker continues" in workers.read_logs()
        workers.stop()
    fetches = len(service.requests("get_conversation"))
    print(f"others continued after {sorted(seconds)} s; fetched again after a kill: {again}; {fetches} fetches in all")


@pytest.mark.slow
def test_worker_that_was_stopped_for_long_does_not_write_after_another_has_continued(
    service: FakeConvAI, gate: Gate, postgres_url: str, tmp_path: Path
) -> None:
    add_acme(postgres_url, service)
    with start_workers(postgres_url, tmp_path, 2) as workers:
        workers.wait_until(lambda: gate.allowed <= 0 and gate.held)
        stopped = workers.find_harvesting()
        stopped.send_signal(signal.SIGSTOP)
        query(postgres_url, AGE_HEARTBEATS)
        query(postgres_url, "UPDATE convai.leases SET expires_at = now() - interval '1 second'")
        workers.wait_for_another(stopped)
        gate.allowed = float("inf")
        workers.wait_until(lambda: query(postgres_url, COMPLETE))
        before = query(postgres_url, "SELECT conversation_id, xmin::text FROM convai.conversations ORDER BY 1")
        stopped.send_signal(signal.SIGCONT)
        workers.wait_until(lambda: "another worker has continued this harvest" in workers.read_logs())
        assert query(postgres_url, "SELECT conversation_id, xmin::text FROM convai.conversations ORDER BY 1") == before
        check_complete(postgres_url, service)
        workers.stop()
        assert query(postgres_url, "SELECT id FROM convai_queue.procrastinate_jobs WHERE queue_name = 'convai'") == []


def test_worker_waits_for_the_database_continues_after_its_restart_and_serves_health_checks(
    service: FakeConvAI, gate: Gate, postgres_server: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_acme(postgres_server.url, service)
    postgres_server.stop()
    with start_workers(postgres_server.url, tmp_path, 1, "--health-port", "0") as workers:
        workers.wait_until(lambda: "waiting for the database: 'postgresql://postgres@" in workers.read_logs())
        postgres_server.start()
        workers.wait_until(lambda: gate.allowed <= 0 and gate.held)
        [health] = re.findall(r"health checks and metrics on (\S+)", workers.read_logs())
        with urllib.request.urlopen(f"{health}/readyz") as response:
            assert json.load(response) == {"ready": True, "stopping": False, "rounds": 0, "workspaces": 1, "running": 1}
        postgres_server.stop("immediate")
        gate.allowed = float("inf")
        workers.wait_until(lambda: "cannot be reached" in workers.read_logs())
        postgres_server.start()
        workers.wait_until(lambda: query(postgres_server.url, COMPLETE))
        check_complete(postgres_server.url, service)
        assert run(["workspaces", "status", postgres_server.url, "--utc"]) == 0
        table = capsys.readouterr().out.splitlines()
        assert re.split(" {2,}", table[0]) == [
            "workspace", "state", "worker", "last harvest", "fetched in 24 h", "behind", "next"
        ]  # fmt: skip
        assert re.match(rf"acme +idle +\S+:{workers.processes[0].pid} +complete 20", table[1])
        assert table[-1] == "1 worker; 0 running, 0 queued, 0 delayed (times are in UTC)"
        with urllib.request.urlopen(f"{health}/metrics") as response:
            assert 'convai_last_complete_timestamp_seconds{workspace="acme"}' in response.read().decode()
        workers.stop()
