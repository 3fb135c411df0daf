"""Fixtures for the tests of the command line."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import pytest
from threaded_service import ThreadedService

from convai_async.cli._app import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from convai_async.testing import FakeConvAI


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeConvAI]:
    """A fake service with 40 conversations, whose key is in the environment."""
    with ThreadedService(conversations=40, seed=3) as fake:
        monkeypatch.setenv("ELEVENLABS_API_KEY", fake.api_key)
        yield fake


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The path of an archive that does not exist yet."""
    return tmp_path / "calls.db"


@pytest.fixture
def harvested(archive: Path) -> Path:
    """The path of an archive with 30 conversations."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert run(["harvest", str(archive), "--sandbox", "30"]) == 0
    return archive
