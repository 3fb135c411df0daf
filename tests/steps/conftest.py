"""Fixtures for tests of steps, on both kinds of archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from archives import SOURCE
from step_archives import FakeClock

from convai_async.archive._writer import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path of an archive that does not exist yet; its URL if the test has the mark `on_both_stores`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return str(tmp_path / "calls.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def writer(path: str, clock: FakeClock) -> Iterator[ArchiveWriter]:
    """An archive that a harvest writes."""
    with ArchiveWriter(path, SOURCE, exclusive=False, clock=clock) as opened:
        yield opened
