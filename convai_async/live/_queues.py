"""The queues of a live conversation: events that are not read yet, and messages that are not sent yet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from convai_async.live.events import AudioChunk, Event, EventId, Interruption

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_PONGS = 1000


class _Received(NamedTuple):
    number: int
    event: Event
    size: int


class Inbox:
    """Events that were received and not read yet, within a limit on their size.

    The reader of a conversation never waits for the program that reads the events, since the pings that it must answer
    come over the same connection. When the inbox is full, the oldest audio is dropped, and if there is none the oldest
    other event.

    Args:
        max_bytes: The size of all events, as they were received. One event of any size fits.

    Attributes:
        dropped: The number of events that were dropped.
        is_audio_separate: Whether audio is returned by `get_audio` only.
    """

    def __init__(self, max_bytes: int) -> None:
        self.dropped = 0
        self.is_audio_separate = False
        self._max_bytes = max_bytes
        self._bytes = 0
        self._count = 0
        self._audio: deque[_Received] = deque()
        self._others: deque[_Received] = deque()
        self._stale_before: int | None = None
        self._arrived = asyncio.Event()
        self._ended = False

    def put(self, event: Event, size: int) -> None:
        """Add an event, unless it is audio that an interruption has made stale."""
        if isinstance(event, AudioChunk) and self._is_stale(event.event_id):
            return
        self._count += 1
        self._bytes += size
        queue = self._audio if isinstance(event, AudioChunk) else self._others
        queue.append(_Received(self._count, event, size))
        while self._bytes > self._max_bytes and len(self._audio) + len(self._others) > 1:
            self._pop(self._audio or self._others)
            self.dropped += 1
        if isinstance(event, Interruption) and isinstance(event.event_id, int):
            self._stale_before = event.event_id
        self._arrived.set()

    def end(self) -> None:
        """Return None after the events that are left."""
        self._ended = True
        self._arrived.set()

    async def get_event(self) -> Event | None:
        """Wait for the next event; None after the last one."""
        return await self._get(self._next_event)

    async def get_audio(self) -> AudioChunk | None:
        """Wait for the next audio that no interruption made stale; None after the last one."""
        while isinstance(chunk := await self._get(lambda: self._audio), AudioChunk):
            if chunk.data and not self._is_stale(chunk.event_id):
                return chunk
        return None

    def _next_event(self) -> deque[_Received]:
        audio, others = self._audio, self._others
        if self.is_audio_separate or not audio:
            return others
        return audio if not others or audio[0].number < others[0].number else others

    async def _get(self, choose: Callable[[], deque[_Received]]) -> Event | None:
        while not (queue := choose()):
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._pop(queue)

    def _pop(self, queue: deque[_Received]) -> Event:
        received = queue.popleft()
        self._bytes -= received.size
        return received.event

    def _is_stale(self, event_id: EventId) -> bool:
        # Less, not less or equal: the audio of the reply to a multimodal message has the id of the interruption.
        return self._stale_before is not None and isinstance(event_id, int) and event_id < self._stale_before


class _ToSend(NamedTuple):
    text: str
    is_audio: bool


class Outbox:
    """Messages that are to be sent, in order, within a limit on their size. Pongs overtake all others.

    Attributes:
        max_bytes: The size of all messages but pongs. One message of any size fits.
    """

    def __init__(self) -> None:
        self.max_bytes = 1024 * 1024
        self._bytes = 0
        self._pongs: deque[str] = deque(maxlen=_MAX_PONGS)
        self._messages: deque[_ToSend] = deque()
        self._wanted = asyncio.Event()
        self._room = asyncio.Event()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._ended = False

    def put_pong(self, text: str) -> None:
        """Add a pong, which is sent before all messages."""
        self._pongs.append(text)
        self._wanted.set()

    async def put(self, text: str, *, is_audio: bool = False, drop_oldest: bool = False) -> bool:
        """Add a message; wait while there is no room, or drop the oldest audio to make room.

        Returns:
            Whether the message was added; False after the end.
        """
        if drop_oldest:
            self._drop_audio(len(text))
        while self._bytes + len(text) > self.max_bytes and self._messages and not self._ended:
            self._room.clear()
            await self._room.wait()
        if self._ended:
            return False
        self._messages.append(_ToSend(text, is_audio))
        self._bytes += len(text)
        self._flushed.clear()
        self._wanted.set()
        return True

    async def get(self) -> str:
        """Wait for the next message."""
        while True:
            if self._pongs:
                return self._pongs.popleft()
            if self._messages:
                return self._remove(0)
            self._flushed.set()
            self._wanted.clear()
            await self._wanted.wait()

    async def flush(self) -> None:
        """Wait until all messages are sent, or until the end."""
        await self._flushed.wait()

    def end(self) -> None:
        """Accept no more messages."""
        self._ended = True
        self._room.set()
        self._flushed.set()

    def _drop_audio(self, size: int) -> None:
        position = 0
        while self._bytes + size > self.max_bytes and position < len(self._messages):
            if self._messages[position].is_audio:
                self._remove(position)
            else:
                position += 1

    def _remove(self, position: int) -> str:
        text = self._messages[position].text
        del self._messages[position]
        self._bytes -= len(text)
        self._room.set()
        return text
