"""Events of the state of a conversation, of errors, and of widgets."""

from __future__ import annotations

from typing import Any

from convai_async.live.events._base import Event, EventId


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
    """A human agent is typing.

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


class QueueStatus(Event):
    """The conversation waits in the queue, has left it, or waited for too long.

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
