"""Events of the words and the speech in a conversation."""

from __future__ import annotations

from typing import Any

from msgspec import field

from convai_async.live.events._base import Event, EventId
from convai_async.models import Model


class ConversationStarted(Event):
    """The first event of a conversation: its id and its audio formats.

    Attributes:
        conversation_id: The id of the conversation (``conv_…``).
        output_format: The format of the agent's audio, such as ``"pcm_16000"`` or ``"ulaw_8000"``.
        input_format: The format in which the agent expects the user's audio.
    """

    event_type = "conversation_initiation_metadata"
    payload_key = "conversation_initiation_metadata_event"

    conversation_id: str
    output_format: str = field(name="agent_output_audio_format", default="pcm_16000")
    input_format: str = field(name="user_input_audio_format", default="pcm_16000")


class Ping(Event):
    """Asks for a pong, which has already been sent.

    Attributes:
        ping_ms: The service's measurement of the latency in milliseconds, or None.
    """

    event_type = "ping"
    payload_key = "ping_event"

    event_id: EventId = None
    ping_ms: float | None = None


class Alignment(Model):
    """When each character of the agent's text is spoken, in milliseconds from the start of the audio chunk."""

    chars: tuple[str, ...] = ()
    char_start_times_ms: tuple[float, ...] = ()
    char_durations_ms: tuple[float, ...] = ()


class AudioChunk(Event):
    """A part of the agent's speech.

    Attributes:
        data: The samples, in the conversation's ``output_format``; can be empty.
        alignment: The times of the characters, or None.
        is_final: Whether the service marked it as the last part of the turn.
    """

    event_type = "audio"
    payload_key = "audio_event"

    data: bytes = field(name="audio_base_64")
    event_id: EventId = None
    alignment: Alignment | None = None
    is_final: bool = False

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the names and values for the repr, with the size of the audio instead of its bytes."""
        return [
            (name, f"<{len(self.data)} bytes>" if name == "data" else value) for name, value in super().__rich_repr__()
        ]


class AudioAlignment(Event):
    """When each character of a part of the agent's speech is spoken."""

    event_type = "audio_alignment"
    payload_key = "audio_alignment_event"

    event_id: EventId = None
    alignment: Alignment | None = None


class UserTranscript(Event):
    """The user's words in this turn."""

    event_type = "user_transcript"
    payload_key = "user_transcription_event"

    text: str = field(name="user_transcript", default="")
    event_id: EventId = None


class TentativeUserTranscript(Event):
    """The user's words so far; they can still change."""

    event_type = "tentative_user_transcript"
    payload_key = "tentative_user_transcription_event"

    text: str = field(name="user_transcript", default="")
    event_id: EventId = None


class Attachment(Model):
    """A file that the agent sent."""

    url: str | None = None
    name: str | None = None
    mime_type: str | None = None


class AgentResponse(Event):
    """The agent's words, all of them, sent when their audio begins.

    Attributes:
        text: The words; they can end in blanks.
        attachments: Files that the agent sent.
        response_id: The service's id of the response, or None.
    """

    event_type = "agent_response"
    payload_key = "agent_response_event"

    text: str = field(name="agent_response", default="")
    event_id: EventId = None
    attachments: tuple[Attachment, ...] = ()
    response_id: str | None = None


class AgentResponseCorrection(Event):
    """What the agent said before the user interrupted it.

    Attributes:
        text: The words that were said.
        original_text: The words of the `AgentResponse` that ``text`` replaces.
        response_id: The service's id of the response, or None.
    """

    event_type = "agent_response_correction"
    payload_key = "agent_response_correction_event"

    text: str = field(name="corrected_agent_response", default="")
    original_text: str = field(name="original_agent_response", default="")
    event_id: EventId = None
    response_id: str | None = None


class AgentResponsePart(Event):
    """A part of the agent's words, as it writes them. An `AgentResponse` with all words follows.

    Attributes:
        text: The words; empty at the start and at the end.
        kind: ``"start"``, ``"delta"`` or ``"stop"``.
        response_id: The service's id of the response, or None.
    """

    event_type = "agent_chat_response_part"
    payload_key = "text_response_part"

    text: str = ""
    kind: str = field(name="type", default="delta")
    event_id: EventId = None
    response_id: str | None = None


class AgentReasoningPart(Event):
    """A part of the agent's reasoning. Experimental.

    Attributes:
        kind: ``"start"``, ``"delta"`` or ``"stop"``.
    """

    event_type = "agent_reasoning_response_part"
    payload_key = "reasoning_response_part"

    text: str = ""
    kind: str = field(name="type", default="delta")
    event_id: EventId = None


class AgentResponseComplete(Event):
    """The agent has finished its turn. Sent if the agent's ``client_events`` contain it."""

    event_type = "agent_response_complete"
    payload_key = "agent_response_complete_event"
    can_be_flat = True

    event_id: EventId = None


class AgentResponseMetadata(Event):
    """Data that a custom language model added to its response."""

    event_type = "agent_response_metadata"
    payload_key = "agent_response_metadata_event"

    metadata: Any = None
    event_id: EventId = None


class Interruption(Event):
    """The user interrupted the agent: stop playing audio whose ``event_id`` is less than this one."""

    event_type = "interruption"
    payload_key = "interruption_event"

    event_id: EventId = None
    reason: str | None = None


class TentativeAgentResponse(Event):
    """What the agent may say. Internal to the service."""

    event_type = "internal_tentative_agent_response"
    payload_key = "tentative_agent_response_internal_event"

    text: str = field(name="tentative_agent_response", default="")
