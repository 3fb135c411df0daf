"""The events that the service sends in a conversation, and their decoder.

An event is a model: a field that is missing or null has its default, an event of an unknown type is an `UnknownEvent`
with its JSON, and so is one that cannot be decoded. ``event_id`` is an integer that grows with each turn; some versions
of the service send text, or no id.
"""

from convai_async.live.events._base import (
    Event,
    EventId,
    UnknownEvent,
)
from convai_async.live.events._codec import (
    encode_event,
    parse_event,
)
from convai_async.live.events._conversation import (
    AgentReasoningPart,
    AgentResponse,
    AgentResponseComplete,
    AgentResponseCorrection,
    AgentResponseMetadata,
    AgentResponsePart,
    Alignment,
    Attachment,
    AudioAlignment,
    AudioChunk,
    ConversationStarted,
    Interruption,
    Ping,
    TentativeAgentResponse,
    TentativeUserTranscript,
    UserTranscript,
)
from convai_async.live.events._status import (
    AgentTyping,
    ClientErrorEvent,
    ContextualUpdateEvent,
    ContextUsage,
    ErrorEvent,
    ExternalAgentConnected,
    ExternalAgentDisconnected,
    GuardrailTriggered,
    QueueStatus,
    RichContent,
    TurnProbability,
    VADScore,
)
from convai_async.live.events._tools import (
    AgentToolRequest,
    AgentToolResponse,
    AgentToolResponseFullPayload,
    ClientToolCall,
    MCPConnectionStatus,
    MCPIntegration,
    MCPToolCall,
)

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
