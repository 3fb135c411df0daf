"""Open a live conversation."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from convai_async._support.validate import validate_flag, validate_integer, validate_optional, validate_seconds
from convai_async.errors import InvalidArgumentError
from convai_async.live._session import LiveConversation
from convai_async.live._stream import closing
from convai_async.live._tools import Tools
from convai_async.live.messages import encode_initiation, merge, to_document
from convai_async.models import ConfigOverride, InitiationData

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async._transport.engine import Engine
    from convai_async.live._handshake import HandshakeBuilder
    from convai_async.live._tool_runner import ApproveMCPTool
    from convai_async.live._tools import ToolFunction


@asynccontextmanager
async def connect(  # noqa: PLR0913 - keyword-only
    engine: Engine,
    handshake: HandshakeBuilder,
    initiation: str,
    *,
    tools: Mapping[str, ToolFunction] | None,
    tool_timeout: float | None,
    approve_mcp_tool: ApproveMCPTool | None,
    timeout: float | None,
    queue_timeout: float | None,
    max_buffered_bytes: int,
) -> AsyncIterator[LiveConversation]:
    """Open a conversation, and end it after the block; see `Conversations.connect`."""
    for name, seconds in (("tool_timeout", tool_timeout), ("timeout", timeout), ("queue_timeout", queue_timeout)):
        if seconds is not None:
            validate_seconds(name, seconds, positive=True)
    if approve_mcp_tool is not None and not callable(approve_mcp_tool):
        raise InvalidArgumentError("approve_mcp_tool", "is not a function")
    validate_integer("max_buffered_bytes", max_buffered_bytes, 1)
    checked_tools = None if tools is None else Tools(tools, tool_timeout)
    socket = await engine.open_websocket(await handshake.build(engine))
    live = LiveConversation(
        engine,
        socket,
        tools=checked_tools,
        approve_mcp_tool=approve_mcp_tool,
        max_buffered_bytes=max_buffered_bytes,
    )
    async with closing(live):
        await live.wait_until_accepted(initiation, timeout, queue_timeout)
        yield live


def build_initiation(
    initiation: InitiationData | Mapping[str, Any] | None,
    *,
    text_only: bool | None,
    overrides: ConfigOverride | Mapping[str, Any] | None,
    **fields: Any,
) -> str:
    """Return the first message of a conversation; see `Conversations.connect`.

    Args:
        initiation: All settings.
        text_only: Whether there is no audio; None leaves it to the agent.
        overrides: Changes to the agent's configuration.
        fields: More settings by their names. None leaves one out.

    Raises:
        InvalidArgumentError: An argument has the wrong type or cannot be encoded as JSON.
    """
    validate_optional(validate_flag, "text_only", text_only)
    _validate_document("initiation", initiation, InitiationData)
    _validate_document("overrides", overrides, ConfigOverride)
    _validate_document("dynamic_variables", fields.get("dynamic_variables"), Mapping)
    document = to_document(initiation)
    changes = {name: value for name, value in fields.items() if value is not None}
    if text_only is not None or overrides is not None:
        asked = {} if text_only is None else {"conversation": {"text_only": text_only}}
        changed = merge(document.get("conversation_config_override"), to_document(overrides))
        changes["conversation_config_override"] = merge(changed, asked)
    return encode_initiation({**document, **changes})


def _validate_document(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind | Mapping):
        raise InvalidArgumentError(name, f"must be a {kind.__name__} or a dict, not {type(value).__name__}")
