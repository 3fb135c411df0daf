"""Transcripts of conversations."""

from __future__ import annotations

from typing import Any

from convai_async.models._base import Model, OrNull, UnknownVariant
from convai_async.models._open_union import ByTag, ByTagOrNull, OpenUnion
from convai_async.models._repr import build_repr, format_count, format_seconds, format_text, format_word
from convai_async.models.charging import LLMUsage
from convai_async.models.enums import (
    EmbeddingModel,
    FeedbackScore,
    GuardrailExecutionMode,
    GuardrailType,
    PlatformEvent,
    SourceMedium,
    TurnRole,
)
from convai_async.models.tool_calls import ToolCall
from convai_async.models.tool_results import TOOL_RESULT, ToolResult

__all__ = [
    "AgentMetadata",
    "ClassifierGuardrailDetails",
    "ContextualUpdate",
    "FileInput",
    "GuardrailDetails",
    "LLMGuardrailDetails",
    "MetricRecord",
    "MultivoiceMessage",
    "MultivoicePart",
    "RagChunk",
    "RagRetrieval",
    "Reasoning",
    "TranscriptTurn",
    "TriggeredGuardrail",
    "TurnFeedback",
    "TurnMetrics",
    "UnknownGuardrailDetails",
]


class MetricRecord(Model):
    """A measured duration.

    Schema: MetricRecord.

    Attributes:
        elapsed_time: The duration in seconds.
    """

    elapsed_time: float | None = None


class TurnMetrics(Model):
    """The measured durations of a turn.

    Schema: ConversationTurnMetrics. The older format without ``metrics`` is converted.

    Attributes:
        metrics: The durations by name, such as ``"convai_llm_service_ttfb"``.
    """

    metrics: dict[str, MetricRecord]
    convai_asr_provider: str | None = None
    convai_tts_model: str | None = None
    convai_tts_cascade: str | None = None
    voice_id: str | None = None

    @classmethod
    def upgrade(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Return metrics of either format in the current format, without invalid ones."""
        metrics = value.get("metrics")
        texts = {name: value[name] for name in cls.__struct_fields__ if isinstance(value.get(name), str)}
        records = metrics if isinstance(metrics, dict) else value
        return texts | {"metrics": {name: record for name, record in records.items() if isinstance(record, dict)}}


class AgentMetadata(Model):
    """The agent that spoke.

    Schema: AgentMetadata.
    """

    agent_id: str | None = None
    branch_id: str | None = None
    workflow_node_id: str | None = None
    version_id: str | None = None


class MultivoicePart(Model):
    """A part of a message, in one voice.

    Schema: ConversationHistoryMultivoiceMessagePartModel.

    Attributes:
        time_in_call_secs: The time since the start of the call in seconds.
    """

    text: str | None = None
    voice_label: str | None = None
    time_in_call_secs: int | None = None


class MultivoiceMessage(Model):
    """A message in several voices.

    Schema: ConversationHistoryMultivoiceMessageModel.
    """

    parts: tuple[MultivoicePart, ...] = ()


class TurnFeedback(Model):
    """The rating of a turn by the user.

    Schema: UserFeedback.

    Attributes:
        time_in_call_secs: The time since the start of the call in seconds.
    """

    score: FeedbackScore | None = None
    time_in_call_secs: int | None = None


class RagChunk(Model):
    """A chunk of the knowledge base that was retrieved.

    Schema: RagChunkMetadata.
    """

    document_id: str | None = None
    chunk_id: str | None = None
    vector_distance: float | None = None


class RagRetrieval(Model):
    """The retrieval from the knowledge base for a turn.

    Schema: RagRetrievalInfo.

    Attributes:
        rag_latency_secs: The duration of the retrieval in seconds.
    """

    chunks: tuple[RagChunk, ...] = ()
    embedding_model: EmbeddingModel | None = None
    retrieval_query: str | None = None
    rag_latency_secs: float | None = None
    used_chunk_ids: tuple[str, ...] = ()


class Reasoning(Model):
    """The reasoning of the agent.

    Schema: ConversationReasoningModel.
    """

    summary: str | None = None
    provider_redact: bool = False


class LLMGuardrailDetails(Model):
    """The reason of a guardrail with a language model.

    Schema: TriggeredGuardrailCommonModelGuardrailDetails_Llm.
    """

    type: str = "llm"
    rationale: str | None = None


class ClassifierGuardrailDetails(Model):
    """The score of a guardrail with a classifier.

    Schema: TriggeredGuardrailCommonModelGuardrailDetails_Classifier.
    """

    type: str = "classifier"
    score: float | None = None
    threshold: float | None = None


class UnknownGuardrailDetails(UnknownVariant):
    """Details of a guardrail that this version, or the service itself, does not know."""


GuardrailDetails = LLMGuardrailDetails | ClassifierGuardrailDetails | UnknownGuardrailDetails
"""The details of a triggered guardrail."""

_GUARDRAIL_DETAILS: OpenUnion[GuardrailDetails] = OpenUnion(
    GuardrailDetails,
    tag="type",
    variants={"llm": LLMGuardrailDetails, "classifier": ClassifierGuardrailDetails},
    unknown=UnknownGuardrailDetails,
)


class TriggeredGuardrail(Model):
    """A guardrail that triggered in a turn.

    Schema: TriggeredGuardrailCommonModel.

    Attributes:
        guardrail_name: The name of a custom guardrail; None for others.
        execution_mode: ``"blocking"`` if the agent's response waited for the guardrail, ``"streaming"`` if it did not.
        guardrail_details: The reason of the language model, or the score and its threshold.
    """

    guardrail_type: GuardrailType | None = None
    guardrail_name: str | None = None
    execution_mode: GuardrailExecutionMode | None = None
    guardrail_details: ByTagOrNull[GuardrailDetails] = None

    def __post_init__(self) -> None:
        """Decode the open unions."""
        self.guardrail_details = _GUARDRAIL_DETAILS.read(self.guardrail_details, "guardrail_details")


class FileInput(Model):
    """A file that the user sent.

    Schema: ConversationHistoryTranscriptFileInputResponseModel.
    """

    secret_fields = ("file_url",)

    file_id: str | None = None
    original_filename: str | None = None
    mime_type: str | None = None
    file_url: str | None = None


class ContextualUpdate(Model):
    """The contextual update of a turn.

    Schema: ContextualUpdateInfo.

    Attributes:
        context_id: The client's id for updates that replace each other.
        is_superseded: Whether a newer update with the same ``context_id`` replaced this one.
    """

    context_id: str | None = None
    is_superseded: bool = False


class TranscriptTurn(Model):
    """One turn of a conversation.

    Schema: ConversationHistoryTranscriptCommonModel-Output.

    Attributes:
        role: ``"user"`` or ``"agent"``.
        message: The text; None for a turn that only calls tools.
        tool_calls: The tool calls of the turn.
        tool_results: The results of tool calls.
        time_in_call_secs: The time since the start of the call in seconds.
        original_message: The whole message of the agent, if it was interrupted.
        created_at_unix_ms: The time of the turn in unix milliseconds.
        file_input: Deprecated: the first of ``file_inputs``.
        file_inputs: The files that the user attached to the turn, in order.
    """

    role: TurnRole | None = None
    agent_metadata: AgentMetadata | None = None
    message: str | None = None
    multivoice_message: MultivoiceMessage | None = None
    tool_calls: OrNull[tuple[ToolCall, ...]] = ()
    tool_results: OrNull[tuple[ByTag[ToolResult], ...]] = ()
    feedback: TurnFeedback | None = None
    llm_override: str | None = None
    time_in_call_secs: int | None = None
    conversation_turn_metrics: TurnMetrics | None = None
    rag_retrieval_info: RagRetrieval | None = None
    llm_usage: LLMUsage | None = None
    interrupted: bool = False
    original_message: str | None = None
    source_medium: SourceMedium | None = None
    producing_llm: str | None = None
    ignored_as_backchannel: bool = False
    platform_event: PlatformEvent | None = None
    reasoning: OrNull[tuple[Reasoning, ...]] = ()
    source_event_id: int | None = None
    used_static_kb_document_ids: OrNull[tuple[str, ...]] = ()
    user_identifier: str | None = None
    id: str | None = None
    created_at_unix_ms: int | None = None
    triggered_guardrails: OrNull[tuple[TriggeredGuardrail, ...]] = ()
    file_input: FileInput | None = None
    file_inputs: OrNull[tuple[FileInput, ...]] = ()
    contextual_update_info: ContextualUpdate | None = None
    reasoned: bool | None = None

    def __post_init__(self) -> None:
        """Decode the open union, and replace nulls."""
        # Without a loop, which would take longer than decoding the turn.
        if self.tool_calls is None:
            self.tool_calls = ()
        if self.tool_results is None:
            self.tool_results = ()
        elif self.tool_results:
            self.tool_results = TOOL_RESULT.read_all(self.tool_results, "tool_results")
        if self.reasoning is None:
            self.reasoning = ()
        if self.used_static_kb_document_ids is None:
            self.used_static_kb_document_ids = ()
        if self.triggered_guardrails is None:
            self.triggered_guardrails = ()
        if self.file_inputs is None:
            self.file_inputs = ()

    def __repr__(self) -> str:
        return build_repr(
            self,
            format_word(self.role),
            format_seconds(self.time_in_call_secs),
            format_text(self.message),
            format_count(self.tool_calls or None, "tool call"),
            format_count(self.tool_results or None, "tool result"),
        )
