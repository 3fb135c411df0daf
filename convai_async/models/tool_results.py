"""Results of tool calls. The result of a workflow contains steps, which contain tool results again."""

from __future__ import annotations

from convai_async.models._base import Model, UnknownVariant
from convai_async.models._open_union import ByTag, ByTagOrNull, OpenUnion
from convai_async.models.enums import ToolResultType
from convai_async.models.system_results import SYSTEM_RESULT, SystemResult
from convai_async.models.tool_calls import ToolCall

__all__ = [
    "DynamicVariableUpdate",
    "IntegrationWebhookToolResult",
    "OtherToolResult",
    "SystemToolResult",
    "ToolResult",
    "ToolResultBase",
    "UnknownToolResult",
    "UnknownWorkflowStep",
    "WorkflowEdgeStep",
    "WorkflowMaxIterationsExceededStep",
    "WorkflowNestedToolsStep",
    "WorkflowResult",
    "WorkflowStep",
    "WorkflowToolResult",
]


class DynamicVariableUpdate(Model):
    """A change of a dynamic variable by a tool result.

    Schema: DynamicVariableUpdateCommonModel.

    Attributes:
        updated_at: The time of the change in Unix seconds.
    """

    variable_name: str | None = None
    old_value: str | None = None
    new_value: str | None = None
    updated_at: float | None = None
    tool_name: str | None = None
    tool_request_id: str | None = None


class ToolResultBase(Model):
    """The fields of all tool results.

    Attributes:
        request_id: The id of the tool call; see `ToolCall.request_id`.
        result_value: The result as text, which is often JSON.
        is_error: Whether the call failed.
        tool_has_been_called: Whether the tool ran.
        tool_latency_secs: The duration of the call in seconds.
        dynamic_variable_updates: The changes of dynamic variables.
        tool_id: The id of the tool in the workspace, ``"mcp:<server_id>:<tool_name>"`` or
            ``"__system_<tool_name>"``; None for conversations from before the service recorded it.
    """

    request_id: str | None = None
    tool_name: str | None = None
    result_value: str | None = None
    is_error: bool = False
    tool_has_been_called: bool = False
    tool_latency_secs: float | None = None
    dynamic_variable_updates: tuple[DynamicVariableUpdate, ...] = ()
    tool_id: str | None = None
    is_blocked: bool = False
    error_type: str | None = None
    raw_error_message: str | None = None


class OtherToolResult(ToolResultBase):
    """The result of a webhook, client, MCP or code tool, or of a tool without a type.

    Schema: ConversationHistoryTranscriptOtherToolsResultCommonModel.
    """

    type: ToolResultType | None = None


class SystemToolResult(ToolResultBase):
    """The result of a system tool.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModel.

    Attributes:
        result: The result, by its ``result_type``; ``result_value`` has the same as text.
    """

    type: str = "system"
    result: ByTagOrNull[SystemResult] = None

    def __post_init__(self) -> None:
        """Decode the open unions."""
        self.result = SYSTEM_RESULT.read(self.result, "result")


class IntegrationWebhookToolResult(ToolResultBase):
    """The result of a tool of an integration.

    Schema: ConversationHistoryTranscriptApiIntegrationWebhookToolsResultCommonModel.
    """

    type: str = "api_integration_webhook"
    integration_id: str | None = None
    credential_id: str | None = None
    integration_connection_id: str | None = None


class WorkflowEdgeStep(Model):
    """A workflow step: the transition to another node.

    Schema: WorkflowToolEdgeStepModel.

    Attributes:
        step_latency_secs: The duration of the step in seconds.
    """

    type: str = "edge"
    step_latency_secs: float | None = None
    edge_id: str | None = None
    target_node_id: str | None = None


class WorkflowMaxIterationsExceededStep(Model):
    """A workflow step: the workflow was stopped after too many iterations.

    Schema: WorkflowToolMaxIterationsExceededStepModel.

    Attributes:
        step_latency_secs: The duration of the step in seconds.
    """

    type: str = "max_iterations_exceeded"
    step_latency_secs: float | None = None
    max_iterations: int | None = None


class WorkflowNestedToolsStep(Model):
    """A workflow step: tool calls.

    Schema: WorkflowToolNestedToolsStepModel-Output.

    Attributes:
        step_latency_secs: The duration of the step in seconds.
    """

    type: str = "nested_tools"
    step_latency_secs: float | None = None
    node_id: str | None = None
    requests: tuple[ToolCall, ...] = ()
    results: tuple[ByTag[ToolResult], ...] = ()
    is_successful: bool = False

    def __post_init__(self) -> None:
        """Decode the open unions."""
        self.results = TOOL_RESULT.read_all(self.results, "results")


class UnknownWorkflowStep(UnknownVariant):
    """A type of workflow step that this version does not know."""


WorkflowStep = WorkflowEdgeStep | WorkflowMaxIterationsExceededStep | WorkflowNestedToolsStep | UnknownWorkflowStep
"""A step of a workflow.

Schema: WorkflowToolResponseModelOutputStepsItems.
"""

_WORKFLOW_STEP: OpenUnion[WorkflowStep] = OpenUnion(
    WorkflowStep,
    tag="type",
    variants={
        "edge": WorkflowEdgeStep,
        "max_iterations_exceeded": WorkflowMaxIterationsExceededStep,
        "nested_tools": WorkflowNestedToolsStep,
    },
    unknown=UnknownWorkflowStep,
)


class WorkflowResult(Model):
    """The steps that a workflow took.

    Schema: WorkflowToolResponseModel-Output.
    """

    steps: tuple[ByTag[WorkflowStep], ...] = ()

    def __post_init__(self) -> None:
        """Decode the open unions."""
        self.steps = _WORKFLOW_STEP.read_all(self.steps, "steps")


class WorkflowToolResult(ToolResultBase):
    """The result of a workflow.

    Schema: ConversationHistoryTranscriptWorkflowToolsResultCommonModel-Output.
    """

    type: str = "workflow"
    result: WorkflowResult | None = None


class UnknownToolResult(UnknownVariant):
    """The result of a type of tool that this version does not know."""


ToolResult = OtherToolResult | SystemToolResult | IntegrationWebhookToolResult | WorkflowToolResult | UnknownToolResult
"""The result of a tool call.

Schema: ConversationHistoryTranscriptCommonModelOutputToolResultsItems, and the same union inside workflows,
WorkflowToolNestedToolsStepModelOutputResultsItems.
"""

TOOL_RESULT: OpenUnion[ToolResult] = OpenUnion(
    ToolResult,
    tag="type",
    variants={
        None: OtherToolResult,
        "client": OtherToolResult,
        "webhook": OtherToolResult,
        "mcp": OtherToolResult,
        "code": OtherToolResult,
        "system": SystemToolResult,
        "api_integration_webhook": IntegrationWebhookToolResult,
        "workflow": WorkflowToolResult,
    },
    unknown=UnknownToolResult,
)
