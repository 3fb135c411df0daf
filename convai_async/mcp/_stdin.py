"""End standard input at Ctrl-C, because a thread that reads it cannot be cancelled."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

_STDIN = 0
_CHUNK_BYTES = 65_536


@contextmanager
def end_stdin_on_interrupt(ended: Event) -> Iterator[None]:
    """Replace standard input by a pipe that ends at Ctrl-C; a second Ctrl-C ends the process.

    Args:
        ended: An event that is set when the input ends.
    """
    original = os.dup(_STDIN)
    read_end, write_end = os.pipe()
    os.dup2(read_end, _STDIN)
    os.close(read_end)
    Thread(target=_copy, args=(original, write_end, ended), daemon=True).start()

    def end(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _end(write_end, ended)

    previous = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _copy(original: int, write_end: int, ended: Event) -> None:
    with suppress(OSError):
        while chunk := os.read(original, _CHUNK_BYTES):
            while chunk:
                chunk = chunk[os.write(write_end, chunk) :]
    _end(write_end, ended)


def _end(write_end: int, ended: Event) -> None:
    ended.set()
    # Not closed: another file could get its number, and the thread would write to it.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, write_end)
    os.close(null)
