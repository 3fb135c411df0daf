"""Events of tool calls."""

from __future__ import annotations

from typing import Any

from msgspec import field

from convai_async.live.events._base import Event, EventId
from convai_async.models import Model


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
