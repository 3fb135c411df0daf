"""End the waits of a harvest when it is stopped."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


class StopRequested(Exception):  # noqa: N818 - not an error
    """The harvest was asked to stop while a request waited, for a slot or for the service."""


class Waits:
    """The waits of a harvest before its requests are sent. They end with `StopRequested` when it is stopped.

    Requests that are sent already are not affected.

    Args:
        stop: Set to stop the harvest.
    """

    def __init__(self, stop: anyio.Event) -> None:
        self._stop = stop
        self._scopes: set[anyio.CancelScope] = set()

    async def end_when_stopped(self) -> None:
        """Wait until the harvest is stopped, and end the waits."""
        await self._stop.wait()
        for scope in list(self._scopes):
            scope.cancel()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """End the block, which waits, when the harvest is stopped.

        Raises:
            StopRequested: The harvest is stopped.
        """
        if self._stop.is_set():
            raise StopRequested
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            raise StopRequested

    async def sleep(self, seconds: float) -> None:
        """Wait for seconds.

        Raises:
            StopRequested: The harvest is stopped.
        """
        with self.interruptible():
            await anyio.sleep(seconds)
