"""Thousands of requests with every outcome leak no memory, socket, task, thread or file.

``LEAK_REQUESTS=50000 pytest -m slow tests/robustness/test_leaks.py`` sends as many as CI.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from service_process import service_process
from unmeasured import unmeasured

from convai_async.testing.plans import AGENTS

REQUESTS = int(os.environ.get("LEAK_REQUESTS", "10000"))
ROUNDS = 10
WARM_UP_ROUNDS = 2
SCRIPT = Path(__file__).parents[1] / "support/many_requests.py"
MAX_GROWTH = 2 * 2**20
"""Bytes by which the process may grow after the first rounds: 50 for each of 50,000 requests."""


@pytest.mark.slow
def test_requests_leak_nothing() -> None:
    with service_process(conversations=20, audio_bytes=200_000, render_once=True) as service:
        recorded = next(filter(service.conversations.has_audio, service.conversations))
        by_size = sorted(service.conversations, key=lambda each: len(service.conversations.document(each)))
        settings = [str(ROUNDS), str(REQUESTS // ROUNDS), service.url, service.api_key, recorded, AGENTS[0][0]]
        command = [
            sys.executable,
            str(SCRIPT),
            *settings,
            *by_size[:5],
        ]  # decoding long ones would take most of the time
        fresh = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=unmeasured())
    first, *_, last = rounds = json.loads(fresh.stdout)[WARM_UP_ROUNDS:]
    print(rounds)
    assert sum(each["requests"] for each in json.loads(fresh.stdout)) >= REQUESTS
    assert last["memory"] - first["memory"] < MAX_GROWTH
    assert last["objects"] - first["objects"] < 1000, "less than one for forty requests, of 50,000"
    for what in ("files", "sockets", "tasks", "threads"):
        assert last[what] <= first[what], what
