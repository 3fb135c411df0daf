"""Processes that run a step are killed at any statement: no result is lost, and none is stored twice.

``STEP_DEATHS=200 pytest -m slow tests/steps/test_killed_steps.py -rP`` kills more of them; CI runs a sample.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import step_deaths
from step_archives import on_both_stores, read_rows
from unmeasured import unmeasured

pytest_plugins = ["postgres_fixtures"]

DEATHS = int(os.environ.get("STEP_DEATHS", "4"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 if DEATHS < 50 else 3600)]


@on_both_stores
def test_killed_processes_lose_no_result_and_store_none_twice(path: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, step_deaths.__file__, path, str(DEATHS), str(log)]
    environment = {**unmeasured(), "PYTHONPATH": str(Path(step_deaths.__file__).parent)}
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    expected = {each: json.dumps(message) for each, message in json.loads(ended.stdout).items()}
    assert dict(read_rows(path, "SELECT conversation_id, result FROM step_results")) == expected
    assert read_rows(path, "SELECT * FROM step_jobs") == []
    calls = Counter(log.read_text().split())
    assert calls.keys() == expected.keys()
    print(f"{DEATHS} processes, {len(expected):,} conversations, {calls.total():,} calls")
