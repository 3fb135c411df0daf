"""The messages that clients may send in a conversation, and their validation."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

import msgspec

JSON = dict[str, Any]


class InvalidMessageError(Exception):
    """Raised for a message that the service does not accept; the text says why."""


class ConversationInitiationClientData(msgspec.Struct):
    """Begins a conversation."""

    conversation_config_override: JSON | None = None
    dynamic_variables: dict[str, str | int | float | bool | None] | None = None
    custom_llm_extra_body: JSON | None = None
    user_id: str | None = None
    source_info: JSON | None = None


class Pong(msgspec.Struct):
    """Answers a ping."""

    event_id: int | str


class UserMessage(msgspec.Struct):
    """A text of the user."""

    text: str | None = None
    rich_content_id: str | None = None


class UserActivity(msgspec.Struct):
    """Says that the user is there."""


class Feedback(msgspec.Struct):
    """Rates a reply of the agent."""

    event_id: int | str
    score: Literal["like", "dislike"] | None


class ClientToolResult(msgspec.Struct):
    """The result of a tool of the client."""

    tool_call_id: str
    result: str
    is_error: bool
    error_type: str | None = None


class McpToolApprovalResult(msgspec.Struct):
    """Says whether a tool of an MCP server may be called."""

    tool_call_id: str
    is_approved: bool


class ContextualUpdate(msgspec.Struct):
    """Tells the agent something without asking for a reply."""

    text: str
    context_id: str | None = None


class FileInput(msgspec.Struct):
    """A file of a multimodal message."""

    file_id: str


class MultimodalMessage(msgspec.Struct):
    """A text and files of the user."""

    text: UserMessage | None = None
    file: FileInput | None = None
    files: list[FileInput] | None = None

    def list_files(self) -> list[str]:
        """Return the ids of the files; newer clients send the first one twice."""
        files = ([] if self.file is None else [self.file]) + (self.files or [])
        return list(dict.fromkeys(each.file_id for each in files))


Message = (
    ConversationInitiationClientData
    | Pong
    | UserMessage
    | UserActivity
    | Feedback
    | ClientToolResult
    | McpToolApprovalResult
    | ContextualUpdate
    | MultimodalMessage
)
"""A message of a client other than audio."""

_KINDS: dict[str, type[Message]] = {
    "conversation_initiation_client_data": ConversationInitiationClientData,
    "pong": Pong,
    "user_message": UserMessage,
    "user_activity": UserActivity,
    "feedback": Feedback,
    "client_tool_result": ClientToolResult,
    "mcp_tool_approval_result": McpToolApprovalResult,
    "contextual_update": ContextualUpdate,
    "multimodal_message": MultimodalMessage,
}


def decode(text: str) -> JSON:
    """Decode a frame.

    Raises:
        InvalidMessageError: It is not a JSON object.
    """
    try:
        document: JSON = msgspec.json.decode(text, type=JSON)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidMessageError(f"Invalid message received: {error}") from None
    return document


def read_audio(document: JSON) -> bytes:
    """Return the audio of a message with ``user_audio_chunk``.

    Raises:
        InvalidMessageError: It is not base64.
    """
    try:
        return base64.b64decode(document["user_audio_chunk"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidMessageError(f"Invalid message received: user_audio_chunk: {error}") from None


def read_message(document: JSON) -> Message:
    """Validate a message.

    Raises:
        InvalidMessageError: The type is unknown, or a field is missing or of another type.
    """
    kind = _KINDS.get(str(document.get("type")))
    if kind is None:
        raise InvalidMessageError(f"Invalid message received: unknown type {document.get('type')!r}")
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise InvalidMessageError(f"Invalid message received: {document['type']}: {error}") from None
