"""A WebSocket of the service: one task reads its events, another one sends messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from convai_async._support.tasks import wait_all_shielded
from convai_async.errors import ConvAIError, ConversationClosedError
from convai_async.live._closed import Closed, EndWatcher, build_closed_error
from convai_async.live._queues import Inbox, Outbox
from convai_async.live.events import Ping, parse_event
from convai_async.live.messages import Pong, encode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from convai_async._transport.websocket import WebSocket
    from convai_async.live.events import Event

_CLOSE_REASON = "User ended conversation"
_CLOSE_SECS = 5.0
_FAST_CLOSE_SECS = 1.0
_CANCEL_SECS = 2.0
_EVENTS_PER_STEP = 50
"""How many events of a burst are read before other tasks run."""


class Connection:
    """A WebSocket with the tasks that read and send.

    The tasks are not in a task group: a fixture of a test can open a conversation in one task and close it in another.

    Args:
        socket: The WebSocket.
        max_buffered_bytes: The size of the events that are not read yet.
        on_event: Called with each event and its size by the task that reads; must not fail.
        on_end: Called after the last event.

    Attributes:
        inbox: The events that are not read yet.
        outbox: The messages that are not sent yet.
        closed: How the conversation ended; None while it continues.
    """

    def __init__(
        self,
        socket: WebSocket,
        *,
        max_buffered_bytes: int,
        on_event: Callable[[Event, int], object] = lambda _event, _size: None,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self.inbox = Inbox(max_buffered_bytes)
        self.outbox = Outbox()
        self.closed: Closed | None = None
        self._socket = socket
        self._end_watcher = EndWatcher()
        self._is_closing = False
        self._ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self._on_event = on_event
        self._on_end = on_end
        self._tasks: set[asyncio.Task[None]] = set()
        self.start(self._read())
        self.start(self._send())

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work in a task, which is cancelled when the connection is closed. It must not fail."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def task_count(self) -> int:
        """How many tasks are running."""
        return len(self._tasks)

    async def close(self, *, flush: bool) -> None:
        """Close the connection in order and end the tasks; a cancellation takes effect after that.

        Args:
            flush: Whether to send the messages that are queued first, and to wait for longer.
        """
        await wait_all_shielded([asyncio.create_task(self._close(flush=flush))])

    async def build_error(self, conversation_id: str, *, refused: bool = False) -> ConversationClosedError:
        """Return the error for a conversation that is ending or has ended."""
        closed = await asyncio.shield(self._ended)
        return build_closed_error(closed, conversation_id or None, refused=refused)

    async def _close(self, *, flush: bool) -> None:
        try:
            async with asyncio.timeout(_CLOSE_SECS if flush else _FAST_CLOSE_SECS):
                if flush:
                    await self.outbox.flush()
                self._is_closing = True
                await self._socket.close(1000, _CLOSE_REASON)
        except TimeoutError:
            self._is_closing = True
            self._socket.abort()
        finally:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_CANCEL_SECS)  # a tool or an approval can ignore its cancellation

    async def _read(self) -> None:
        read = 0
        try:
            while (text := await self._socket.receive()) is not None:
                event = parse_event(text)
                if isinstance(event, Ping) and event.event_id is not None:
                    self.outbox.put_pong(encode_message(Pong(event_id=event.event_id)))
                self._end_watcher.handle_event(event)
                self._on_event(event, len(text))
                self.inbox.put(event, len(text))
                read += 1
                if read % _EVENTS_PER_STEP == 0:
                    await asyncio.sleep(0)
        finally:
            by_client = self._is_closing or self._socket.is_client_closed
            self.closed = self._end_watcher.build(self._socket, by_client=by_client)
            self._ended.set_result(self.closed)
            self.outbox.end()
            self._on_end()
            self.inbox.end()

    async def _send(self) -> None:
        try:
            while True:
                await self._socket.send(await self.outbox.get())
        except ConvAIError:
            self.outbox.end()  # the task that reads finds the reason
