"""The agent's reply to what the user said."""

from __future__ import annotations

import msgspec

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

__all__ = ["Reply"]


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


class ReplyCollector:
    """Collects the events of a reply.

    Args:
        last_audio_id: The id of the last audio before the question: late audio of that turn is not part of the reply.

    Attributes:
        first_at: When the first word or sound arrived, or None.
        last_at: When the last event of the reply arrived, or None.
        is_complete: Whether the service has said that the turn is complete.
    """

    def __init__(self, last_audio_id: EventId) -> None:
        self.first_at: float | None = None
        self.last_at: float | None = None
        self.is_complete = False
        self._last_audio_id = last_audio_id
        self._responses: list[str] = []
        self._parts: list[str] = []
        self._audio: list[AudioChunk] = []
        self._calls: list[ClientToolCall] = []
        self._events: list[Event] = []
        self._pending: set[str | None] = set()
        self._user_transcript = ""

    @property
    def has_text(self) -> bool:
        """Whether there is a whole response, and no tool call whose result the agent waits for."""
        return bool(self._responses) and not self._pending

    def add(self, event: Event, now: float) -> None:
        """Add an event that arrived now, in seconds."""
        if isinstance(event, AudioChunk):
            self._add_audio(event, now)
            return
        self._events.append(event)
        match event:
            case AgentResponse(text=text):
                self._responses.append(text.strip())
                self._parts.clear()
                self._mark(now, is_start=True)
            case AgentResponseCorrection(text=text):
                if self._responses:
                    self._responses[-1] = text.strip()
            case AgentResponsePart(text=text):
                self._parts.append(text)
                self._mark(now, is_start=bool(text))
            case AgentResponseComplete():
                self.is_complete = self.first_at is not None and not self._pending
            case ClientToolCall():
                self._calls.append(event)
                self._wait_for(event.tool_call_id if event.expects_response else None)
                self._mark(now)
            case AgentToolRequest(tool_call_id=call_id):
                self._wait_for(call_id)
                self._mark(now)
            case AgentToolResponse(tool_call_id=call_id):
                self.resolve(call_id, now)
            case MCPToolCall(tool_call_id=call_id, state=state):
                if state in {"success", "failure"}:
                    self.resolve(call_id, now)
                else:
                    self._wait_for(call_id)
            case Interruption(event_id=int() as event_id):
                self._audio = [each for each in self._audio if not _is_before(each.event_id, event_id)]
            case UserTranscript(text=text):
                self._user_transcript = text
            case _:
                pass

    def resolve(self, call_id: str | None, now: float) -> None:
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
            tool_calls=tuple(self._calls),
            user_transcript=self._user_transcript,
            latency_secs=max(0.0, (self.first_at or asked_at) - asked_at),
            events=tuple(self._events),
        )

    def _add_audio(self, chunk: AudioChunk, now: float) -> None:
        last = self._last_audio_id
        if chunk.event_id is not None and (chunk.event_id == last or _is_before(chunk.event_id, last)):
            return
        self._audio.append(chunk)
        self._mark(now, is_start=bool(chunk.data))

    def _wait_for(self, call_id: str | None) -> None:
        if call_id is not None:
            self._pending.add(call_id)

    def _mark(self, now: float, *, is_start: bool = False) -> None:
        self.last_at = now
        if is_start and self.first_at is None:
            self.first_at = now


def _is_before(event_id: EventId, other: EventId) -> bool:
    return isinstance(event_id, int) and isinstance(other, int) and event_id < other
