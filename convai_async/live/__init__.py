"""Live conversations with agents, over WebSockets.

`Conversations.connect` opens a `LiveConversation`, and `Conversations.monitor` watches one that is running.
"""

from convai_async.live._audio import AudioFormat, pcm_to_ulaw, read_wav, ulaw_to_pcm, write_wav
from convai_async.live._closed import Closed
from convai_async.live._monitor import Monitor
from convai_async.live._reply import Reply
from convai_async.live._session import LiveConversation
from convai_async.live._tools import ToolError
from convai_async.live.events import (
    AgentResponse,
    AgentResponseCorrection,
    AgentResponsePart,
    AudioChunk,
    ClientToolCall,
    Event,
    Interruption,
    MCPToolCall,
    UnknownEvent,
    UserTranscript,
    encode_event,
    parse_event,
)

__all__ = [
    "AgentResponse",
    "AgentResponseCorrection",
    "AgentResponsePart",
    "AudioChunk",
    "AudioFormat",
    "ClientToolCall",
    "Closed",
    "Event",
    "Interruption",
    "LiveConversation",
    "MCPToolCall",
    "Monitor",
    "Reply",
    "ToolError",
    "UnknownEvent",
    "UserTranscript",
    "encode_event",
    "parse_event",
    "pcm_to_ulaw",
    "read_wav",
    "ulaw_to_pcm",
    "write_wav",
]
