"""Ctrl-C: once ends a command gracefully, twice at once."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convai_async.cli._output import note

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anyio

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def orderly_end(stop: anyio.Event, message: str) -> Iterator[None]:
    """Set ``stop`` at the first Ctrl-C or SIGTERM, and cancel the running task at the second.

    Where the event loop takes no signals (Windows), the first one already ends the command.

    Args:
        stop: What to set.
        message: What to say on standard error then.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if not stop.is_set():
            note(f"\n{message}")
            stop.set()
        elif task is not None:
            task.cancel()

    try:
        for number in _SIGNALS:
            loop.add_signal_handler(number, interrupt)
    except NotImplementedError:
        yield
        return
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
