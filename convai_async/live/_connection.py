"""A WebSocket of the service: one task reads its events, another one sends messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from convai_async._support.tasks import wait_all_shielded
from convai_async.errors import ConvAIError
from convai_async.live._queues import Inbox, Outbox
from convai_async.live.events import Ping, parse_event
from convai_async.live.messages import Pong, encode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from convai_async._transport.websocket import WebSocket
    from convai_async.live.events import Event

_EVENTS_PER_STEP = 50
"""So many events of a burst are read before other tasks run."""


class Connection:
    """A WebSocket with the tasks that read and send.

    The tasks are not in a task group: a fixture of a test can open a conversation in one task and close it in another.

    Args:
        socket: The WebSocket.
        handle: Is called with each event by the task that reads; must not fail.
        on_end: Is called after the last event.
        max_buffered_bytes: The size of the events that are not read yet.
        max_queued_bytes: The size of the messages that are not sent yet.

    Attributes:
        inbox: The events that are not read yet.
        outbox: The messages that are not sent yet.
        is_closing: Whether this side has begun to close the connection.
    """

    def __init__(
        self,
        socket: WebSocket,
        handle: Callable[[Event], None],
        on_end: Callable[[], None],
        *,
        max_buffered_bytes: int,
        max_queued_bytes: int,
    ) -> None:
        self.socket = socket
        self.inbox = Inbox(max_buffered_bytes)
        self.outbox = Outbox(max_queued_bytes)
        self.is_closing = False
        self._handle = handle
        self._on_end = on_end
        self._tasks: set[asyncio.Task[None]] = set()
        self.start(self._read())
        self.start(self._send())

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work in a task, which is cancelled when the connection is closed. It must not fail."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, reason: str, *, flush: bool, timeout: float) -> None:
        """Close the connection in order and end the tasks; a cancellation takes effect after that.

        Args:
            reason: The reason that the other side sees.
            flush: Whether to send the messages that are queued first.
            timeout: The seconds for that, and for the answer of the other side.
        """
        closing = asyncio.create_task(self._close(reason, flush=flush, timeout=timeout))
        await wait_all_shielded([closing])

    async def _close(self, reason: str, *, flush: bool, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                if flush:
                    await self.outbox.flush()
                self.is_closing = True
                await self.socket.close(1000, reason)
        except TimeoutError:
            self.is_closing = True
            self.socket.abort()
        finally:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _read(self) -> None:
        read = 0
        try:
            while (text := await self.socket.receive()) is not None:
                event = parse_event(text)
                if isinstance(event, Ping) and event.event_id is not None:
                    self.outbox.put_pong(encode_message(Pong(event_id=event.event_id)))
                self._handle(event)
                self.inbox.put(event, len(text))
                read += 1
                if read % _EVENTS_PER_STEP == 0:
                    await asyncio.sleep(0)
        finally:
            self.outbox.end()
            self._on_end()
            self.inbox.end()

    async def _send(self) -> None:
        try:
            while True:
                await self.socket.send(await self.outbox.get())
        except ConvAIError:
            self.outbox.end()  # the task that reads finds the reason
