"""Archives in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def import_file(archive: Path, file: Path, *, progress: Callable[[int], None] | None = None) -> int:
    """Import an exported file into an archive, which is made if it does not exist."""
    with Archive.open(archive, create=True) as opened:
        return opened.import_(file, progress=progress)
