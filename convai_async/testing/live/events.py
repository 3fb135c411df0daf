"""Builds the events that the service sends in a conversation."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = dict[str, Any]

_CHUNK_SECONDS = 0.25


def build_metadata(conversation_id: str, output_format: str, input_format: str) -> JSON:
    """Build the event that says that the conversation has started."""
    return {
        "type": "conversation_initiation_metadata",
        "conversation_initiation_metadata_event": {
            "conversation_id": conversation_id,
            "agent_output_audio_format": output_format,
            "user_input_audio_format": input_format,
        },
    }


def build_ping(event_id: int, latency: float | None) -> JSON:
    """Build a ping, with the latency of the ping before in seconds."""
    return {
        "type": "ping",
        "ping_event": {"event_id": event_id, "ping_ms": None if latency is None else round(latency * 1000)},
    }


def build_agent_response(text: str, event_id: int) -> JSON:
    """Build the event with the whole text of a reply."""
    return {"type": "agent_response", "agent_response_event": {"agent_response": text, "event_id": event_id}}


def build_correction(original: str, corrected: str, event_id: int) -> JSON:
    """Build the event with the part of a reply that was said before an interruption."""
    return {
        "type": "agent_response_correction",
        "agent_response_correction_event": {
            "original_agent_response": original,
            "corrected_agent_response": corrected,
            "event_id": event_id,
        },
    }


def build_user_transcript(text: str, event_id: int) -> JSON:
    """Build the event with the words of the user."""
    return {"type": "user_transcript", "user_transcription_event": {"user_transcript": text, "event_id": event_id}}


def build_interruption(event_id: int) -> JSON:
    """Build the event that says that the agent was interrupted."""
    return {"type": "interruption", "interruption_event": {"event_id": event_id}}


def build_response_complete(event_id: int) -> JSON:
    """Build the event that ends a turn of the agent."""
    return {"type": "agent_response_complete", "agent_response_complete_event": {"event_id": event_id}}


def build_queue_status(status: str) -> JSON:
    """Build the event with the place of a conversation in the queue."""
    return {"type": "queue_status", "queue_status_event": {"status": status}}


def build_error(code: int, error_type: str, message: str) -> JSON:
    """Build the event that comes before the service closes a conversation because of an error."""
    return {
        "type": "error",
        "error_event": {"code": code, "error_type": error_type, "message": message, "reason": message},
    }


def build_tool_call(name: str, tool_call_id: str, parameters: JSON, event_id: int, *, expects_response: bool) -> JSON:
    """Build the event that lets the client run a tool."""
    call = {"tool_name": name, "tool_call_id": tool_call_id, "parameters": parameters, "event_id": event_id}
    return {"type": "client_tool_call", "client_tool_call": call | {"expects_response": expects_response}}


def build_tool_response(name: str, tool_call_id: str, tool_type: str, event_id: int, *, is_error: bool) -> JSON:
    """Build the event that says that a tool has responded."""
    response = {"tool_name": name, "tool_call_id": tool_call_id, "tool_type": tool_type, "event_id": event_id}
    return {"type": "agent_tool_response", "agent_tool_response": response | {"is_error": is_error, "is_called": True}}


def build_mcp_call(service_id: str, tool_call_id: str, name: str, parameters: JSON, state: JSON) -> JSON:
    """Build the event with the state of a call of a tool of an MCP server."""
    call = {"service_id": service_id, "tool_call_id": tool_call_id, "tool_name": name, "parameters": parameters}
    state |= {"timestamp": datetime.now(UTC).isoformat(), "tool_description": None}
    return {"type": "mcp_tool_call", "mcp_tool_call": call | state}


def iter_text_parts(text: str, event_id: int) -> Iterator[JSON]:
    """Yield the events that stream a text word by word."""
    words = text.split(" ")
    parts = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    for kind, part in (("start", ""), *zip(itertools.repeat("delta"), parts), ("stop", "")):
        yield {
            "type": "agent_chat_response_part",
            "text_response_part": {"text": part, "type": kind, "event_id": event_id},
        }


def iter_audio(audio: bytes, bytes_per_second: int, text: str, event_id: int) -> Iterator[JSON]:
    """Yield the events that send the audio of a text, a quarter of a second each, with the times of its characters."""
    size = int(bytes_per_second * _CHUNK_SECONDS) & ~1
    chunks = [audio[start : start + size] for start in range(0, len(audio), size)]
    per_chunk = -(-len(text) // max(1, len(chunks)))
    for number, chunk in enumerate(chunks):
        chars = text[number * per_chunk : (number + 1) * per_chunk]
        each = 1000 * len(chunk) // bytes_per_second // max(1, len(chars))
        yield {
            "type": "audio",
            "audio_event": {
                "audio_base_64": base64.b64encode(chunk).decode(),
                "event_id": event_id,
                "alignment": {
                    "chars": list(chars),
                    "char_start_times_ms": [each * index for index in range(len(chars))],
                    "char_durations_ms": [each] * len(chars),
                },
            },
        }
