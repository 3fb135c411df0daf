from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from archives import SOURCE

from convai_async.archive._writer import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FakeClock:
    """Returns Unix seconds that only a test changes."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def writer(path: Path, clock: FakeClock) -> Iterator[ArchiveWriter]:
    """An archive that a harvest writes."""
    with ArchiveWriter(path, SOURCE, exclusive=False, clock=clock) as opened:
        yield opened
