"""The messages that a client can send in a conversation, and their encoders."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from convai_async.errors import InvalidArgumentError
from convai_async.models import InitiationData, Model

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


class Message(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, tag_field="type"):
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
    return _encode("message", message)


def encode_audio(audio: bytes) -> str:
    """Return audio as the text of a WebSocket message. It is the only message without a type."""
    return f'{{"user_audio_chunk":"{b2a_base64(audio, newline=False).decode()}"}}'


def encode_command(command_type: str, parameters: Mapping[str, str] | None = None) -> str:
    """Return a command of a monitor as the text of a WebSocket message."""
    command: dict[str, Any] = {"command_type": command_type}
    if parameters is not None:
        command["parameters"] = parameters
    return _encode(command_type, command)


def encode_initiation(settings: InitiationData | Mapping[str, Any] | None, changes: Mapping[str, Any]) -> str:
    """Return the first message of a conversation.

    Args:
        settings: The settings. A field of a model that has its default is left out; a dict is sent unchanged.
        changes: More fields, which replace those of the settings. None leaves a field out. The
            ``conversation_config_override`` is merged with that of the settings.

    Raises:
        InvalidArgumentError: The settings cannot be encoded as JSON.
    """
    fields: dict[str, Any] = {"type": "conversation_initiation_client_data", **_to_dict(settings)}
    for name, value in changes.items():
        if value is not None:
            new = _to_dict(value)
            fields[name] = _merge(fields.get(name), new) if name == "conversation_config_override" else new
    return _encode("initiation", fields)


def _encode(parameter: str, value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArgumentError(parameter, f"cannot be encoded as JSON: {error}") from None


def _to_dict(value: Any) -> Any:
    """Return a model as a dict of its fields that do not have their defaults."""
    if value is None:
        return {}
    if isinstance(value, tuple):
        return [_to_dict(item) for item in value]
    if not isinstance(value, Model):
        return value
    empty = type(value)()
    return {
        name: _to_dict(item)
        for name in value.__struct_fields__
        if (item := getattr(value, name)) != getattr(empty, name)
    }


def _merge(old: Any, new: Any) -> Any:
    """Return the new value, merged with the old one if both are objects."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    return {**old, **{name: _merge(old.get(name), value) for name, value in new.items()}}
