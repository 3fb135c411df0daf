"""Bring an archive of an older version up to date, and show the progress."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from convai_async.archive import Archive
from convai_async.cli._output import get_stderr_console, print_note

if TYPE_CHECKING:
    from convai_async.archive import Location


def upgrade_archive(path: Location) -> None:
    """Bring a file up to date: with a progress bar on a terminal, otherwise with a line for each tenth.

    The first write does it for a database, which may not respond yet.
    """
    if not isinstance(path, Path):
        return
    if sys.stderr is not None and sys.stderr.isatty():
        _upgrade_with_bar(path)
        return
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        tenth = 10 * done // total
        if tenth > shown:
            shown = tenth
            print_note(f"upgrading {path}: {done:,} of {total:,} conversations")

    Archive.upgrade(path, progress=show)


def _upgrade_with_bar(path: Path) -> None:
    from rich.progress import Progress  # noqa: PLC0415 - needs rich, and a terminal

    with Progress(console=get_stderr_console(), transient=True) as progress:
        task = progress.add_task(f"upgrading {path}", total=None, visible=False)
        Archive.upgrade(
            path,
            progress=lambda done, total: progress.update(task, completed=done, total=total, visible=True),
        )
