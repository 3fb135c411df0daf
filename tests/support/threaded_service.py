"""Runs a fake service in its own thread, for tests of code that runs an event loop: commands, web applications."""

from __future__ import annotations

import threading
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal

from convai_async.testing import FakeConvAI


class ThreadedService:
    """``with ThreadedService(conversations=5) as fake:``, with the arguments of `FakeConvAI`."""

    def __init__(self, **settings: Any) -> None:
        self._fake = FakeConvAI(**settings)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=anyio.run, args=(self._serve,))

    async def _serve(self) -> None:
        self._stop = anyio.Event()
        async with self._fake, BlockingPortal() as self._portal:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> FakeConvAI:
        self._thread.start()
        self._ready.wait()
        return self._fake

    def __exit__(self, *_: object) -> None:
        self._portal.call(self._stop.set)
        self._thread.join()
