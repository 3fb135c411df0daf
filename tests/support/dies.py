"""A process whose forks make a file, and die at the n-th write, sync, link, rename or removal: n = 1, 2, … to the end.

    python dies.py FOLDER NAME OLD JOB ARGUMENT...

Fork n works in ``FOLDER/n-when``, and makes the file NAME there; if OLD is not empty, a file of that name and content
is there before. When no fork dies any more, the steps that it took are printed as JSON.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet  # noqa: F401 - once, and not in each fork

from convai_async import ConvAIClient
from convai_async.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable

DIED = 9
STEPS = ("write", "fsync", "link", "replace", "rename", "unlink")
WHEN = ("before", "within", "after")
"""When a fork dies; only a write has a middle."""


def download(path: Path, url: str, api_key: str, conversation_id: str) -> None:
    async def run() -> None:
        async with ConvAIClient(api_key, base_url=url, retry=None) as client:
            await client.conversations.audio.download(conversation_id, path, overwrite=path.exists())

    asyncio.run(run())


def export_archive(path: Path, archive: str) -> None:
    with Archive.open(archive) as opened:
        opened.export(path)


JOBS: dict[str, Callable[..., None]] = {"download": download, "export": export_archive}


class Mortal:
    """Takes the place of the steps, and counts them."""

    def __init__(self, number: int, when: str) -> None:
        self.taken: list[str] = []
        self._number = number
        self._when = when
        for name in STEPS:
            setattr(os, name, self._step(name, getattr(os, name)))
        os.fdopen = _open_raw  # type: ignore[assignment]

    def _step(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*arguments: Any, **options: Any) -> Any:
            self.taken.append(name)
            dies = len(self.taken) == self._number
            if dies and self._when == "within" and name == "write":
                step(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            if dies and self._when != "after":
                os._exit(DIED)
            result = step(*arguments, **options)
            if dies:
                os._exit(DIED)
            return result

        return take


class _Raw(io.FileIO):
    """A file that is written with `os.write`: Python's own does it where nobody sees it."""

    def write(self, data: Any, /) -> int:
        return os.write(self.fileno(), data)


def _open_raw(descriptor: int, _: str) -> io.BufferedRandom:
    return io.BufferedRandom(_Raw(descriptor, "r+b"))


def run_fork(path: Path, number: int, when: str, job: str, arguments: list[str]) -> int:
    """Return its exit code."""
    child = os.fork()
    if child == 0:
        try:
            mortal = Mortal(number, when)
            JOBS[job](path, *arguments)
            sys.stdout.write(json.dumps(mortal.taken))
            sys.stdout.flush()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a fork must not go on where its parent was
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: str, name: str, old: str, job: str, *arguments: str) -> None:
    for number, when in ((number, when) for number in itertools.count(1) for when in WHEN):
        place = Path(folder) / f"{number}-{when}"
        place.mkdir()
        if old:
            (place / name).write_text(old)
        code = run_fork(place / name, number, when, job, list(arguments))
        if code != DIED:
            sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
