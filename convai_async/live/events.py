"""The events that the service sends in a conversation, and their decoder.

An event is a model: a field that is missing or null has its default, an event of an unknown type is an `UnknownEvent`
with its JSON, and so is one that cannot be decoded. ``event_id`` is an integer that grows with each turn; some versions
of the service send text, or no id.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Union

import msgspec
from msgspec import field

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json
from convai_async.errors import DecodeError
from convai_async.models import Model, UnknownVariant
from convai_async.models._decoding import get_item_decoder

__all__ = [
    "AgentReasoningPart",
    "AgentResponse",
    "AgentResponseComplete",
    "AgentResponseCorrection",
    "AgentResponseMetadata",
    "AgentResponsePart",
    "AgentToolRequest",
    "AgentToolResponse",
    "AgentToolResponseFullPayload",
    "AgentTyping",
    "Alignment",
    "Attachment",
    "AudioAlignment",
    "AudioChunk",
    "ClientErrorEvent",
    "ClientToolCall",
    "ContextUsage",
    "ContextualUpdateEvent",
    "ConversationStarted",
    "ErrorEvent",
    "Event",
    "EventId",
    "ExternalAgentConnected",
    "ExternalAgentDisconnected",
    "GuardrailTriggered",
    "Interruption",
    "MCPConnectionStatus",
    "MCPIntegration",
    "MCPToolCall",
    "Ping",
    "QueueStatus",
    "RichContent",
    "TentativeAgentResponse",
    "TentativeUserTranscript",
    "TurnProbability",
    "UnknownEvent",
    "UserTranscript",
    "VADScore",
    "encode_event",
    "parse_event",
]

EventId = int | str | None
"""The number of the turn that an event belongs to; text or None in some versions of the service."""


class Event(Model):
    """The base class of all events."""

    event_type: ClassVar[str] = ""
    """The service's name of the event."""
    payload_key: ClassVar[str] = ""
    """The name of the field that has the event's fields."""
    can_be_flat: ClassVar[bool] = False
    """Whether the event's fields can be beside its type, or all be missing."""


class UnknownEvent(Event, UnknownVariant):
    """An event that this version does not know, or that cannot be decoded.

    Attributes:
        tag: The service's name of the event, or None if it has none.
        raw: The event as decoded JSON; its text if it is not JSON.
    """


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
    """The agent has finished its turn. Sent if the agent's ``client_events`` have it."""

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


class ClientToolCall(Event):
    """The agent calls a tool of the client.

    Attributes:
        tool_name: The name of the tool.
        tool_call_id: The id of the call, for the result.
        parameters: The arguments, by name.
        expects_response: Whether the agent waits for the result.
    """

    event_type = "client_tool_call"
    payload_key = "client_tool_call"

    tool_call_id: str
    tool_name: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    event_id: EventId = None
    expects_response: bool = True


class AgentToolRequest(Event):
    """The agent calls a tool that is not the client's."""

    event_type = "agent_tool_request"
    payload_key = "agent_tool_request"

    tool_name: str = ""
    tool_call_id: str | None = None
    tool_type: str | None = None
    event_id: EventId = None


class AgentToolResponse(Event):
    """A tool that is not the client's has returned.

    Attributes:
        is_called: Whether the tool was called; None in older versions.
        status: ``"success"``, ``"error"``, ``"blocked"``, ``"skipped"``, or None.
    """

    event_type = "agent_tool_response"
    payload_key = "agent_tool_response"

    tool_name: str = ""
    tool_call_id: str | None = None
    tool_type: str | None = None
    is_error: bool = False
    is_called: bool | None = None
    status: str | None = None
    event_id: EventId = None


class AgentToolResponseFullPayload(AgentToolResponse):
    """A tool that is not the client's has returned, with its result.

    Attributes:
        full_tool_result: The result, up to 64 KB.
        is_blocked: Whether a guardrail blocked it.
        truncated: Whether the result was longer.
    """

    event_type = "agent_tool_response_full_payload"
    payload_key = "agent_tool_response_full_payload"

    full_tool_result: str = ""
    is_blocked: bool = False
    truncated: bool = False


class MCPToolCall(Event):
    """The state of a call of a tool of an MCP server.

    Attributes:
        tool_call_id: The id of the call, for the approval.
        state: ``"loading"``, ``"awaiting_approval"``, ``"success"`` or ``"failure"``.
        parameters: The arguments, by name.
        timestamp: When it was made, as ISO 8601 text.
        approval_timeout_secs: The seconds in which the approval must arrive.
        result: The content blocks of the result.
        error_message: Why it failed.
    """

    event_type = "mcp_tool_call"
    payload_key = "mcp_tool_call"

    tool_call_id: str
    tool_name: str = ""
    state: str | None = None
    service_id: str | None = None
    tool_description: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    timestamp: str | None = None
    approval_timeout_secs: float | None = None
    result: tuple[Any, ...] = ()
    error_message: str | None = None


class MCPIntegration(Model):
    """The connection of the agent to an MCP server."""

    integration_id: str | None = None
    integration_type: str | None = None
    is_connected: bool = False
    tool_count: int | None = None


class MCPConnectionStatus(Event):
    """The connections of the agent to MCP servers."""

    event_type = "mcp_connection_status"
    payload_key = "mcp_connection_status"

    integrations: tuple[MCPIntegration, ...] = ()


class VADScore(Event):
    """How likely it is that the user speaks, from 0 to 1. Sent many times per second."""

    event_type = "vad_score"
    payload_key = "vad_score_event"

    vad_score: float | None = None


class ContextUsage(Event):
    """How much of the language model's context is used, in tokens."""

    event_type = "context_usage"
    payload_key = "context_usage_event"

    event_id: EventId = None
    model: str | None = None
    context_tokens: int | None = None
    context_limit_tokens: int | None = None


class GuardrailTriggered(Event):
    """A guardrail of the agent was triggered."""

    event_type = "guardrail_triggered"
    payload_key = "guardrail_triggered_event"
    can_be_flat = True

    guardrail_name: str | None = None


class RichContent(Event):
    """Content for a widget. Experimental; do not trust it.

    Attributes:
        component: The kind of content.
        props: Its properties.
    """

    event_type = "rich_content"
    payload_key = "rich_content"

    rich_content_id: str | None = None
    component: str | None = None
    props: Any = None
    event_id: EventId = None


class AgentTyping(Event):
    """A human agent types.

    Attributes:
        duration_ms: For how long to show it, in milliseconds, or None.
    """

    event_type = "agent_typing"
    payload_key = "agent_typing_event"

    is_typing: bool = False
    duration_ms: float | None = None


class ExternalAgentConnected(Event):
    """A human agent has joined the conversation."""

    event_type = "external_agent_connected"
    payload_key = "external_agent_connected_event"
    can_be_flat = True


class ExternalAgentDisconnected(Event):
    """A human agent has left the conversation."""

    event_type = "external_agent_disconnected"
    payload_key = "external_agent_disconnected_event"
    can_be_flat = True


class TurnProbability(Event):
    """How likely it is that the user has finished, from 0 to 1. Internal to the service."""

    event_type = "internal_turn_probability"
    payload_key = "turn_probability_internal_event"

    turn_probability: float | None = None


class TentativeAgentResponse(Event):
    """What the agent may say. Internal to the service."""

    event_type = "internal_tentative_agent_response"
    payload_key = "tentative_agent_response_internal_event"

    text: str = field(name="tentative_agent_response", default="")


class QueueStatus(Event):
    """The conversation waits for a place, has one, or did not get one in time.

    Attributes:
        status: ``"waiting"``, ``"admitted"`` or ``"timed_out"``.
    """

    event_type = "queue_status"
    payload_key = "queue_status_event"
    can_be_flat = True

    status: str | None = None


class ErrorEvent(Event):
    """The service ends the conversation because of an error.

    Attributes:
        code: The code with which the connection is going to be closed.
        error_type: The service's code for the error, such as ``"override_error"``.
    """

    event_type = "error"
    payload_key = "error_event"
    can_be_flat = True

    code: int | None = None
    message: str | None = None
    error_type: str | None = None
    reason: str | None = None
    debug_message: str | None = None
    details: Any = None


class ClientErrorEvent(Event):
    """The service reports an error of the client."""

    event_type = "client_error"
    payload_key = "error_event"
    can_be_flat = True

    code: int | None = None
    message: str | None = None
    error_name: str | None = None


class ContextualUpdateEvent(Event):
    """A contextual update, as sent by older versions of the service and by the monitor."""

    event_type = "contextual_update"
    payload_key = "contextual_update_event"
    can_be_flat = True

    text: str = ""


_CLASSES: dict[str, type[Event]] = {
    kind.event_type: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Event) and kind.event_type
}


def parse_event(text: str) -> Event:
    """Decode an event. Never fails: an event that cannot be decoded is an `UnknownEvent`.

    Args:
        text: The text of a WebSocket message.
    """
    try:
        event: Event = _get_envelope_decoder()(text).payload
    except DECODE_ERRORS:
        return _parse_leniently(text)
    return event


def encode_event(event: Event) -> str:
    """Return an event as the text of a WebSocket message, which `parse_event` decodes."""
    if isinstance(event, UnknownEvent):
        return event.raw if isinstance(event.raw, str) else msgspec.json.encode(event.raw).decode()
    return msgspec.json.encode({"type": event.event_type, event.payload_key: event}).decode()


@cache
def _get_envelope_decoder() -> Any:
    """Return the decoder of all events that conform to the protocol. It is created on first use, for a fast import."""
    envelopes = tuple(
        msgspec.defstruct(
            f"{kind.__name__}Envelope",
            [("payload", kind)],
            rename={"payload": kind.payload_key},
            tag_field="type",
            tag=event_type,
            gc=False,
        )
        for event_type, kind in _CLASSES.items()
    )
    return msgspec.json.Decoder(Union[envelopes], strict=False).decode  # noqa: UP007 - of a tuple


def _parse_leniently(text: str) -> Event:
    try:
        value = decode_json(text.encode(errors="surrogatepass"))
    except DECODE_ERRORS:
        return UnknownEvent(raw=text)
    tag = value.get("type") if isinstance(value, dict) else None
    if not isinstance(tag, str):
        return UnknownEvent(raw=value)
    kind = _CLASSES.get(tag)
    if kind is None:
        return UnknownEvent(tag=tag, raw=value)
    payload = value.get(kind.payload_key)
    if kind.can_be_flat and not isinstance(payload, dict):
        payload = value
    try:
        return get_item_decoder(kind)(msgspec.json.encode(payload))
    except DecodeError:
        return UnknownEvent(tag=tag, raw=value)
