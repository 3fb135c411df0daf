"""Tool calls of agents."""

from __future__ import annotations

from typing import Any

from msgspec import field

from convai_async.models._base import Model, UnknownVariant
from convai_async.models._open_union import ByTagOrNull, OpenUnion
from convai_async.models.enums import ToolType

__all__ = [
    "ClientCallDetails",
    "IntegrationWebhookCallDetails",
    "MCPCallDetails",
    "ToolCall",
    "ToolCallDetails",
    "UnknownCallDetails",
    "WebhookCallDetails",
]


class WebhookCallDetails(Model):
    """The HTTP request of a webhook tool. The repr does not show its headers, which can contain credentials.

    Schema: ConversationHistoryTranscriptToolCallWebhookDetails.
    """

    secret_fields = ("headers",)

    type: str = "webhook"
    method: str | None = None
    url: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)
    path_params: dict[str, Any] = field(default_factory=dict)
    query_params: dict[str, Any] = field(default_factory=dict)
    body: str | None = None


class ClientCallDetails(Model):
    """The parameters of a tool that the client executes.

    Schema: ConversationHistoryTranscriptToolCallClientDetails.

    Attributes:
        parameters: The parameters as JSON text.
    """

    type: str = "client"
    parameters: str | None = None


class MCPCallDetails(Model):
    """A call of a tool of an MCP server.

    Schema: ConversationHistoryTranscriptToolCallMCPDetails.
    """

    type: str = "mcp"
    mcp_server_id: str | None = None
    mcp_server_name: str | None = None
    integration_type: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    approval_policy: str | None = None
    requires_approval: bool = False
    mcp_tool_name: str | None = None
    mcp_tool_description: str | None = None


class IntegrationWebhookCallDetails(Model):
    """A call of a tool of an integration.

    Schema: ConversationHistoryTranscriptToolCallApiIntegrationWebhookDetails.
    """

    type: str = "api_integration_webhook"
    integration_id: str | None = None
    credential_id: str | None = None
    integration_connection_id: str | None = None
    webhook_details: WebhookCallDetails = field(default_factory=WebhookCallDetails)


class UnknownCallDetails(UnknownVariant):
    """Details of a type of tool that this version does not know."""


ToolCallDetails = (
    WebhookCallDetails | ClientCallDetails | MCPCallDetails | IntegrationWebhookCallDetails | UnknownCallDetails
)
"""The details of a tool call, by type of tool.

Schema: ConversationHistoryTranscriptToolCallCommonModelOutputToolDetails.
"""

_TOOL_CALL_DETAILS: OpenUnion[ToolCallDetails] = OpenUnion(
    ToolCallDetails,
    tag="type",
    variants={
        "webhook": WebhookCallDetails,
        "client": ClientCallDetails,
        "mcp": MCPCallDetails,
        "api_integration_webhook": IntegrationWebhookCallDetails,
    },
    unknown=UnknownCallDetails,
)


class ToolCall(Model):
    """A tool call of an agent.

    Schema: ConversationHistoryTranscriptToolCallCommonModel-Output.

    Attributes:
        request_id: The id of the tool call, which its result has too.
        params_as_json: The parameters as JSON text.
        tool_has_been_called: Whether the tool ran.
        tool_details: The details of the call, by type of tool.
        tool_id: The id of the tool; None for tools without one, such as system tools.
    """

    type: ToolType | None = None
    request_id: str | None = None
    tool_name: str | None = None
    params_as_json: str | None = None
    tool_has_been_called: bool = False
    tool_details: ByTagOrNull[ToolCallDetails] = None
    tool_id: str | None = None

    def __post_init__(self) -> None:
        """Decode the open unions."""
        self.tool_details = _TOOL_CALL_DETAILS.read(self.tool_details, "tool_details")
