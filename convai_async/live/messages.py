"""The messages that a client can send in a conversation, and their encoders."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from convai_async.errors import InvalidArgumentError
from convai_async.models import Model

__all__ = [
    "ClientToolResult",
    "ContextualUpdate",
    "Feedback",
    "FileInput",
    "MCPToolApproval",
    "Message",
    "MultimodalMessage",
    "MultimodalText",
    "Pong",
    "UserActivity",
    "UserMessage",
    "encode_audio",
    "encode_command",
    "encode_initiation",
    "encode_message",
]


class Message(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """The base class of all messages."""


class Pong(Message, tag="pong"):
    """Answers a ping."""

    event_id: int | str


class UserMessage(Message, tag="user_message"):
    """What the user typed; the agent answers it like speech.

    Attributes:
        text: The words.
        rich_content_id: The rich content that the message refers to.
    """

    text: str | UnsetType | None = UNSET
    rich_content_id: str | UnsetType = UNSET


class UserActivity(Message, tag="user_activity"):
    """The user is there: the agent does not speak for a moment, and the conversation does not end for silence."""


class Feedback(Message, tag="feedback"):
    """A rating of a response of the agent.

    Attributes:
        event_id: The ``event_id`` of the response.
        score: ``"like"``, ``"dislike"``, or None to withdraw it.
    """

    event_id: int | str
    score: Literal["like", "dislike"] | None


class ClientToolResult(Message, tag="client_tool_result"):
    """The result of a tool that the agent called.

    Attributes:
        tool_call_id: The id of the call.
        result: The result as text.
        is_error: Whether the tool failed.
    """

    tool_call_id: str
    result: str
    is_error: bool


class MCPToolApproval(Message, tag="mcp_tool_approval_result"):
    """Whether a tool of an MCP server may be called."""

    tool_call_id: str
    is_approved: bool


class ContextualUpdate(Message, tag="contextual_update"):
    """Background knowledge for the agent, which does not answer it.

    Attributes:
        text: The knowledge.
        context_id: A later update with the same id replaces this one.
    """

    text: str
    context_id: str | UnsetType = UNSET


class MultimodalText(Message, tag="user_message"):
    """The text of a `MultimodalMessage`."""

    text: str


class FileInput(Message, tag="file_input"):
    """A file of a `MultimodalMessage`.

    Attributes:
        file_id: The id of the uploaded file.
    """

    file_id: str


class MultimodalMessage(Message, tag="multimodal_message"):
    """Text and files from the user.

    Attributes:
        text: The text.
        file: The first file, for older versions of the service.
        files: All files.
    """

    text: MultimodalText | UnsetType = UNSET
    file: FileInput | UnsetType = UNSET
    files: tuple[FileInput, ...] | UnsetType = UNSET


def encode_message(message: Message) -> str:
    """Return a message as the text of a WebSocket message.

    Raises:
        InvalidArgumentError: It cannot be encoded as JSON.
    """
    return encode_json("message", message)


def encode_audio(audio: bytes) -> str:
    """Return audio as the text of a WebSocket message. It is the only message without a type."""
    return f'{{"user_audio_chunk":"{b2a_base64(audio, newline=False).decode()}"}}'


def encode_command(command_type: str, parameters: Mapping[str, str]) -> str:
    """Return a command of a monitor as the text of a WebSocket message."""
    return encode_json(
        command_type, {"command_type": command_type, **({"parameters": parameters} if parameters else {})}
    )


def encode_initiation(settings: Mapping[str, Any]) -> str:
    """Return the first message of a conversation.

    Raises:
        InvalidArgumentError: The settings cannot be encoded as JSON.
    """
    return encode_json("initiation", {"type": "conversation_initiation_client_data", **settings})


def encode_json(parameter: str, value: Any) -> str:
    """Return a value as JSON.

    Raises:
        InvalidArgumentError: It cannot be encoded as JSON. The error names the parameter.
    """
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArgumentError(parameter, f"cannot be encoded as JSON: {error}") from None


def to_document(value: Any) -> Any:
    """Return a model as a dict of its fields that do not have their defaults; any other value unchanged."""
    if value is None:
        return {}
    if isinstance(value, tuple):
        return [to_document(item) for item in value]
    if not isinstance(value, Model):
        return value
    unset = type(value)()
    return {
        field.encode_name: to_document(item)
        for field in msgspec.structs.fields(value)
        if (item := getattr(value, field.name)) != getattr(unset, field.name)
    }


def merge(old: Any, new: Any) -> Any:
    """Return the new value, merged with the old one if both are objects."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    return {**old, **{name: merge(old.get(name), value) for name, value in new.items()}}
