"""Wait until the service has accepted a conversation."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from convai_async.errors import RequestTimeoutError
from convai_async.live.events import ClientErrorEvent, ConversationStarted, ErrorEvent, Event, QueueStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async._support.clock import RunningClock

_CONFIRMATION_SECS = 0.5
"""A conversation that is refused after its first event is closed within this time."""


class Acceptance:
    """Finds out from the events of a conversation whether the service has accepted it.

    Attributes:
        started: The first event of the conversation, or None.
    """

    def __init__(self) -> None:
        self.started: ConversationStarted | None = None
        self._is_queued = False
        self._is_confirmed = False
        self._has_ended = False
        self._changed = asyncio.Event()

    def handle_event(self, event: Event) -> bool:
        """Handle an event, and return whether it starts the conversation."""
        is_start = False
        match event:
            case ConversationStarted():
                is_start = self.started is None  # a second one changes nothing
                self.started = self.started or event
            case QueueStatus(status=status):
                self._is_queued = status == "waiting"
            case ErrorEvent() | ClientErrorEvent():
                pass
            case _:
                self._is_confirmed = self.started is not None
        self._changed.set()
        return is_start

    def end(self) -> None:
        """Stop waiting: the conversation has ended."""
        self._has_ended = True
        self._changed.set()

    async def wait(
        self, running: RunningClock, timeout: float | None, queue_timeout: float | None
    ) -> ConversationStarted | None:
        """Wait until the conversation has started; return None if it ended instead.

        An event after the first one shows that the conversation continues. If none comes, this waits for half a second.

        Args:
            running: Counts the seconds in which the process was running.
            timeout: Seconds until the first event, without the time in the queue.
            queue_timeout: Seconds in the queue.

        Raises:
            RequestTimeoutError: The conversation has not started in time.
        """
        while self.started is None and not self._has_ended:
            await self._wait_for_change(running, timeout, queue_timeout)
        with suppress(TimeoutError):
            async with running.timeout(_CONFIRMATION_SECS):
                await self._wait_until(lambda: self._is_confirmed or self._has_ended)
        return None if self._has_ended else self.started

    async def _wait_for_change(self, running: RunningClock, timeout: float | None, queue_timeout: float | None) -> None:
        """Wait until the conversation has started or ended, or has entered or left the queue."""
        queued = self._is_queued
        seconds = queue_timeout if queued else timeout
        try:
            async with running.timeout(seconds):
                await self._wait_until(
                    lambda: self.started is not None or self._has_ended or self._is_queued is not queued
                )
        except TimeoutError:
            problem = "was still in the queue" if queued else "did not start"
            raise RequestTimeoutError(f"the conversation {problem} after {seconds:g} s", ambiguous=False) from None

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()
