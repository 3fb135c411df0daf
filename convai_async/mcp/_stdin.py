"""Let Ctrl-C end the standard input, since a thread that waits for it cannot be cancelled."""

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
    """Put a pipe in place of standard input, which Ctrl-C ends; a second Ctrl-C ends the process.

    Args:
        ended: An event that is set when the input ends.
    """
    original = os.dup(_STDIN)
    reading, writing = os.pipe()
    os.dup2(reading, _STDIN)
    os.close(reading)
    Thread(target=_copy, args=(original, writing, ended), daemon=True).start()

    def end(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _end(writing, ended)

    previous = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _copy(original: int, writing: int, ended: Event) -> None:
    with suppress(OSError):
        while chunk := os.read(original, _CHUNK_BYTES):
            while chunk:
                chunk = chunk[os.write(writing, chunk) :]
    _end(writing, ended)


def _end(writing: int, ended: Event) -> None:
    ended.set()
    # Not closed: another file could get its number, and the thread would write to it.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, writing)
    os.close(nowhere)
