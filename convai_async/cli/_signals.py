"""Ctrl-C: once ends a command in order, twice at once."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anyio

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def orderly_end(stop: anyio.Event) -> Iterator[None]:
    """Set ``stop`` at the first Ctrl-C or SIGTERM, and cancel the running task at the second.

    Where the event loop takes no signals (Windows), the first one already ends the command.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if not stop.is_set():
            click.echo("\nfinishing what is under way; Ctrl-C again to stop at once", err=True)
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
