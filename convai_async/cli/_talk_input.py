"""Read lines of standard input without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_SIZE = 65_536


class LineReader:
    """Reads lines from a file descriptor as they come.

    Args:
        fd: The file descriptor: a terminal, a pipe or a file.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rest = b""
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    async def read(self) -> str | None:
        """Return the next line without its line break; None at the end of the input."""
        line = await self._lines.get()
        if line is None:
            self._lines.put_nowait(None)
        return line

    def feed(self, data: bytes) -> None:
        """Add bytes that were read; empty at the end of the input."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data and self._rest:
            lines.append(self._rest)
        for line in lines:
            self._lines.put_nowait(line.decode(errors="replace").rstrip("\r"))
        if not data:
            self._lines.put_nowait(None)


@contextmanager
def open_line_reader() -> Iterator[LineReader]:
    """Read lines of standard input during the block."""
    loop, fd = asyncio.get_running_loop(), sys.stdin.fileno()
    reader = LineReader(fd)

    def read_available() -> None:
        data = os.read(fd, _READ_SIZE)
        reader.feed(data)
        if not data:
            loop.remove_reader(fd)

    try:
        loop.add_reader(fd, read_available)
    except (NotImplementedError, PermissionError):  # Windows, or a regular file, which epoll does not support
        threading.Thread(target=_read_all, args=(fd, reader, loop), daemon=True).start()
        yield reader
        return
    try:
        yield reader
    finally:
        loop.remove_reader(fd)


def _read_all(fd: int, reader: LineReader, loop: asyncio.AbstractEventLoop) -> None:
    data = b"?"
    while data and not loop.is_closed():
        data = os.read(fd, _READ_SIZE)
        loop.call_soon_threadsafe(reader.feed, data)
