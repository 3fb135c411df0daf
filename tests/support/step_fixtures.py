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


@pytest.fixture(params=["sqlite", "postgres"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path of an archive, or the URL of one, which does not exist yet."""
    return str(tmp_path / "calls.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def writer(path: str, clock: FakeClock) -> Iterator[ArchiveWriter]:
    """An archive that a harvest writes."""
    with ArchiveWriter(path, SOURCE, exclusive=False, clock=clock) as opened:
        yield opened
