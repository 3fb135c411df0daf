"""A pytest plugin that ends the run at a test that hangs, and writes its name to the file ``HUNG_TEST``.

It measures CPU time, because other programs can make a test take any time.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

MAX_CPU_SECS = 30.0
"""No test takes as much."""
MAX_IDLE_SECS = 40.0
"""A test without progress for this time waits for an event that does not come."""
MIN_CPU_SECS = 0.1
"""The CPU time of progress. A process that has work gets it within `MAX_IDLE_SECS`, also on a busy machine."""


_hung_test = Path(os.environ["HUNG_TEST"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch a test while it runs."""
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(item.nodeid, ended), daemon=True)
    thread.start()
    result = yield
    ended.set()
    thread.join()
    return result


def _watch(test: str, ended: threading.Event) -> None:
    started = progress = time.process_time()
    progress_at = time.monotonic()
    while not ended.wait(1):
        used = time.process_time()
        if used - progress > MIN_CPU_SECS:
            progress, progress_at = used, time.monotonic()
        if used - started > MAX_CPU_SECS or time.monotonic() - progress_at > MAX_IDLE_SECS:
            _hung_test.write_text(test)
            os._exit(1)
