from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from convai_async import ConvAIClient, RetryPolicy
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Many tests write databases, and a commit waits for the disk: in memory they are faster, most of all on a busy machine.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 8 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# CI machines are slow, and each run must test the same examples.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


AT_ONCE = RetryPolicy(wait_initial=0, wait_max=0)
"""Retries without waiting."""


def pytest_xdist_auto_num_workers() -> int:
    """Start one more worker than there are processors: many tests wait for a process or a clock."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=250, seed=7) as service:
        yield service


@pytest.fixture
async def client(fake: FakeConvAI) -> AsyncIterator[ConvAIClient]:
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=AT_ONCE) as opened:
        yield opened


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Where a test's archive will be."""
    return tmp_path / "calls.db"
