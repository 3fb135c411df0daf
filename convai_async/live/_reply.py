"""The agent's reply to what the user said."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from convai_async.errors import ResponseTooLargeError
from convai_async.live.events import (
    AgentResponse,
    AgentResponseComplete,
    AgentResponseCorrection,
    AgentResponsePart,
    AgentToolRequest,
    AgentToolResponse,
    AudioChunk,
    ClientToolCall,
    Event,
    EventId,
    Interruption,
    MCPToolCall,
    UserTranscript,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async._support.clock import RunningClock

__all__ = ["Reply"]

_FIRST_MESSAGE_SECS = 1.0
"""An agent that begins the conversation does so within this time."""


class Reply(msgspec.Struct, kw_only=True, frozen=True):
    """The agent's whole reply.

    Attributes:
        text: The words, without blanks at the ends. Several responses are separated by line breaks.
        audio: The speech in the conversation's ``output_format``; empty in a text conversation.
        tool_calls: The client's tools that the agent called for it.
        user_transcript: The words that the agent understood, if the user spoke.
        latency_secs: The seconds from the end of the question to the first word or sound.
        events: The events of the reply, in order, without its audio.
    """

    text: str
    audio: bytes = b""
    tool_calls: tuple[ClientToolCall, ...] = ()
    user_transcript: str = ""
    latency_secs: float
    events: tuple[Event, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Reply(text={self.text!r}, audio=<{len(self.audio)} bytes>, tool_calls={self.tool_calls!r},"
            f" latency_secs={self.latency_secs:.3f})"
        )


class TurnTracker:
    """Follows the agent's turns, to tell the rest of an earlier turn from the reply to a question.

    Attributes:
        has_begun: Whether the agent has said anything.
        last_id: The turn of the last words or audio.
        open_id: The turn of which parts or audio have arrived, but not the whole response.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self.last_id: EventId = None
        self.open_id: EventId = None
        self._response_id: EventId = None

    def handle_event(self, event: Event) -> None:
        """Handle an event."""
        match event:
            case AgentResponse(event_id=event_id):
                self._response_id, self.open_id, self.last_id = event_id, None, event_id
            case AudioChunk(event_id=event_id) | AgentResponsePart(event_id=event_id):
                if event_id != self._response_id:
                    self.open_id = event_id
                self.last_id = event_id
            case _:
                return
        self.has_begun = True


class ReplyCollector:
    """Collects the events of a reply.

    Args:
        turns: The agent's turns before the question, whose rest is not part of the reply.
        max_bytes: The maximum size of all events, as they were received. Of a larger reply nothing is kept.

    Attributes:
        first_at: When the first word or sound arrived, or None.
        last_at: When the last event of the reply arrived, or None.
        is_complete: Whether the service has said that the turn is complete.
    """

    def __init__(self, turns: TurnTracker, max_bytes: int) -> None:
        self.first_at: float | None = None
        self.last_at: float | None = None
        self.is_complete = False
        self._last_id = turns.last_id
        self._open_id = turns.open_id
        self._responses: list[str] = []
        self._parts: list[str] = []
        self._audio: list[AudioChunk] = []
        self._tool_calls: list[ClientToolCall] = []
        self._events: list[Event] = []
        self._pending: set[str | None] = set()
        self._user_transcript = ""
        self._max_bytes = max_bytes
        self._bytes = 0

    @property
    def is_too_large(self) -> bool:
        """Whether the events are larger than allowed."""
        return self._bytes > self._max_bytes

    @property
    def has_text(self) -> bool:
        """Whether there is a whole response, and no tool call whose result the agent waits for."""
        return bool(self._responses) and not self._pending

    def add(self, event: Event, size: int, now: float) -> None:
        """Add an event of a size in bytes that arrived now, in seconds."""
        if self._is_rest(event):
            return
        self._bytes += size
        if self.is_too_large:
            for kept in (self._audio, self._events, self._tool_calls, self._responses, self._parts):
                kept.clear()
        elif isinstance(event, AudioChunk):
            self._audio.append(event)
            self._mark(now, is_start=bool(event.data))
        else:
            self._add_other(event, now)

    def _add_other(self, event: Event, now: float) -> None:
        match event:
            case AgentResponse() | AgentResponsePart():
                self._add_words(event, now)
            case ClientToolCall() | AgentToolRequest() | AgentToolResponse() | MCPToolCall():
                self._add_tool_event(event, now)
            case AgentResponseCorrection(text=text, original_text=original):
                self._responses = [text.strip() if each == original.strip() else each for each in self._responses]
            case AgentResponseComplete(event_id=event_id):
                is_for_reply = self.first_at is not None and not self._is_earlier(event_id)
                self.is_complete = self.is_complete or (is_for_reply and not self._pending)
            case Interruption(event_id=event_id):
                self._audio = [each for each in self._audio if not _is_before(each.event_id, event_id)]
            case UserTranscript(text=text):
                self._user_transcript = text
        self._events.append(event)

    def finish_tool_call(self, call_id: str | None, now: float) -> None:
        """Note that a tool call has its result."""
        self._pending.discard(call_id)
        self._mark(now)

    def build(self, asked_at: float) -> Reply:
        """Return the reply.

        Args:
            asked_at: When the question ended.
        """
        responses = self._responses or ["".join(self._parts).strip()]
        return Reply(
            text="\n".join(filter(None, responses)),
            audio=b"".join(each.data for each in self._audio),
            tool_calls=tuple(self._tool_calls),
            user_transcript=self._user_transcript,
            latency_secs=max(0.0, (self.first_at or asked_at) - asked_at),
            events=tuple(self._events),
        )

    def _is_rest(self, event: Event) -> bool:
        """Return whether an event is audio or words of a turn that began before the question."""
        match event:
            case AudioChunk(event_id=event_id):
                return self._is_earlier(event_id)
            case AgentResponse(event_id=event_id) | AgentResponsePart(event_id=event_id):
                return event_id is not None and event_id == self._open_id
        return False

    def _is_earlier(self, event_id: EventId) -> bool:
        """Return whether a turn began before the question."""
        return event_id is not None and (event_id == self._last_id or _is_before(event_id, self._last_id))

    def _add_words(self, event: AgentResponse | AgentResponsePart, now: float) -> None:
        if isinstance(event, AgentResponse):
            self._responses.append(event.text.strip())
            self._parts.clear()
        else:
            self._parts.append(event.text)
        self._mark(now, is_start=bool(event.text))

    def _add_tool_event(
        self, event: ClientToolCall | AgentToolRequest | AgentToolResponse | MCPToolCall, now: float
    ) -> None:
        match event:
            case ClientToolCall():
                self._tool_calls.append(event)
                is_running = event.expects_response
            case MCPToolCall(state=state):
                is_running = state not in {"success", "failure"}
            case _:
                is_running = isinstance(event, AgentToolRequest)
        if is_running:
            self._pending.add(event.tool_call_id)
        else:
            self._pending.discard(event.tool_call_id)
        self._mark(now)

    def _mark(self, now: float, *, is_start: bool = False) -> None:
        self.last_at = now
        if is_start and self.first_at is None:
            self.first_at = now


class Replies:
    """Waits for the agent's replies, one at a time.

    Args:
        clock: Counts the seconds in which the process was running: a reply that came while it was stopped is not over.
        max_bytes: The maximum size of the events of a reply.

    Attributes:
        lock: Held while a reply is awaited.
    """

    def __init__(self, clock: RunningClock, max_bytes: int) -> None:
        self.lock = asyncio.Lock()
        self._max_bytes = max_bytes
        self._clock = clock
        self._started_at = clock()
        self._turns = TurnTracker()
        self._collector: ReplyCollector | None = None
        self._has_ended = False
        self._changed = asyncio.Event()

    def handle_event(self, event: Event, size: int) -> None:
        """Handle an event of the conversation."""
        if self._collector is not None:
            self._collector.add(event, size, self._clock())
        self._turns.handle_event(event)
        self._changed.set()

    def finish_tool_call(self, call_id: str) -> None:
        """Note that the result of a client's tool was sent."""
        if self._collector is not None:
            self._collector.finish_tool_call(call_id, self._clock())
        self._changed.set()

    def end(self) -> None:
        """Stop waiting: the conversation has ended."""
        self._has_ended = True
        self._changed.set()

    async def wait_for_first_message(self) -> None:
        """Wait until the agent has begun, or the time in which it would have begun is over."""
        while not self._turns.has_begun and not self._has_ended:
            left = self._started_at + _FIRST_MESSAGE_SECS - self._clock()
            if left <= 0:
                return
            await self._wait_for_change(left)

    @contextmanager
    def collect(self) -> Iterator[ReplyCollector]:
        """Collect the events of a reply during the block."""
        self._collector = ReplyCollector(self._turns, self._max_bytes)
        try:
            yield self._collector
        finally:
            self._collector = None

    async def wait(self, collector: ReplyCollector, quiet: float) -> Reply | None:
        """Wait until a reply to what was asked before is complete; return None if the conversation ended without one.

        Args:
            collector: Collects the reply.
            quiet: The seconds without an event after which a reply is complete.

        Raises:
            ResponseTooLargeError: The reply is larger than allowed.
        """
        asked_at = self._clock()
        while not (collector.is_complete or collector.is_too_large or self._has_ended):
            left = None
            if collector.has_text and collector.last_at is not None:
                left = collector.last_at + quiet - self._clock()
                if left <= 0:
                    break
            await self._wait_for_change(left)
        if collector.is_too_large:
            raise ResponseTooLargeError(
                f"the events of the agent's reply are larger than {self._max_bytes:,} bytes; the conversation continues"
                " (increase max_buffered_bytes, or iterate over the events instead of asking)"
            )
        return None if collector.first_at is None else collector.build(asked_at)

    async def _wait_for_change(self, seconds: float | None) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with self._clock.timeout(seconds):
                await self._changed.wait()


def _is_before(event_id: EventId, other: EventId) -> bool:
    return isinstance(event_id, int) and isinstance(other, int) and event_id < other
