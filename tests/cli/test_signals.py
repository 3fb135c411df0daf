"""The second Ctrl-C ends a command."""

from __future__ import annotations

import signal
import subprocess
import sys

HANGS = """
import asyncio, sys, threading
import anyio
from convai_async.cli import _signals

async def wait():
    with _signals.stop_gracefully(anyio.Event(), "stopping"):
        print("started", file=sys.stderr, flush=True)
        await anyio.to_thread.run_sync(threading.Event().wait)

_signals._CLEAN_UP_SECS = 0.1
asyncio.run(wait())
"""


def test_second_signal_ends_a_command_whose_database_does_not_respond() -> None:
    with subprocess.Popen([sys.executable, "-c", HANGS], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for expected in ("started\n", "\n", "stopping\n"):
                assert process.stderr.readline() == expected
                if expected != "\n":
                    process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 130
            assert "interrupted while a database, a disk or a step did not respond\n" in process.stderr.read()
        finally:
            process.kill()
