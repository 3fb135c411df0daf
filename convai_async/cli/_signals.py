"""Stop a command gracefully on the first Ctrl-C, and immediately on the second."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

from convai_async.cli._exit_codes import EXIT_INTERRUPTED
from convai_async.cli._output import print_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anyio

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CLEAN_UP_SECS = 5.0
"""The time to clean up after the second Ctrl-C. A thread that waits for a database or a disk cannot be cancelled."""


@contextmanager
def stop_gracefully(stop: anyio.Event, message: str, *, hint: str | None = None) -> Iterator[None]:
    """Set an event on the first Ctrl-C or SIGTERM, and cancel the current task on the second.

    If the process has not ended five seconds after the second one, it ends without waiting for its threads.

    On Windows, where event loops do not support signal handlers, the first Ctrl-C ends the command.

    Args:
        stop: The event to set.
        message: The message for standard error when it is set.
        hint: If given, the first Ctrl-C only prints this, and the next ones act as described.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt(number: int) -> None:
        nonlocal hint
        if hint is not None and number == signal.SIGINT:
            print_note(hint)
            hint = None
        elif not stop.is_set():
            print_note(f"\n{message}")
            stop.set()
        elif task is not None:
            task.cancel()
            deadline = Timer(_CLEAN_UP_SECS, _exit)
            deadline.daemon = True
            deadline.start()

    try:
        for number in _SIGNALS:
            loop.add_signal_handler(number, interrupt, number)
    except NotImplementedError:
        yield
        return
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _exit() -> None:
    print_note("interrupted while a database, a disk or a step did not respond")
    os._exit(EXIT_INTERRUPTED)
