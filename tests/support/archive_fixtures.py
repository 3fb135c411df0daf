"""Archives, in SQLite and in PostgreSQL: each test runs with both, unless it is marked with `SQLITE_ONLY`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from archives import SOURCE

from convai_async.archive import Archive
from convai_async.archive._writer import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["postgres_fixtures"]


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """Which database the archive is in."""
    return str(request.param)


@pytest.fixture
def path(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path | str:
    """Where an archive is that does not exist yet: a file, or a workspace in PostgreSQL."""
    return tmp_path / "calls.db" if store == "sqlite" else str(request.getfixturevalue("postgres_workspace"))


@pytest.fixture
def writer(path: Path | str) -> Iterator[ArchiveWriter]:
    with ArchiveWriter(path, SOURCE, clock=lambda: 1_000.0) as opened:
        yield opened


@pytest.fixture
def reader(writer: ArchiveWriter, path: Path | str) -> Iterator[Archive]:
    """What a reader sees of what the writer writes."""
    with Archive.open(path) as opened:
        yield opened
