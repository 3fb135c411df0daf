"""Fixtures for tests of workers: a service in a thread, and workspaces in a new database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from threaded_service import ThreadedService

from convai_async.workers import ScheduledWorkspace, add_workspaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.testing import FakeConvAI

pytest_plugins = ["postgres_fixtures"]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeConvAI]:
    """A fake service with 40 conversations, whose key is in the environment variable ``ACME_KEY``."""
    with ThreadedService(conversations=40, seed=3) as fake:
        monkeypatch.setenv("ACME_KEY", fake.api_key)
        yield fake


@pytest.fixture
def acme(service: FakeConvAI, postgres_url: str) -> ScheduledWorkspace:
    """The workspace of the service, in the settings of the database."""
    workspace = ScheduledWorkspace(name="acme", key="env:ACME_KEY", base_url=service.url, schedule="0 0 1 1 *")
    asyncio.run(add_workspaces(postgres_url, [workspace]))
    return workspace
