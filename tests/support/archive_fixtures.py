from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from archives import SOURCE

from convai_async.archive import Archive
from convai_async.archive._writer import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def writer(path: Path) -> Iterator[ArchiveWriter]:
    with ArchiveWriter(path, SOURCE, clock=lambda: 1_000.0) as opened:
        yield opened


@pytest.fixture
def reader(writer: ArchiveWriter, path: Path) -> Iterator[Archive]:
    """What a reader sees of what the writer writes."""
    with Archive.open(path) as opened:
        yield opened
