"""What was said, and what went on behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from msgspec import field

from convai_async.models._base import Model, UnknownVariant, open_union
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
from convai_async.models.tool_results import ToolResult


class MetricRecord(Model):
    """A measurement.

    Schema: MetricRecord.

    Attributes:
        elapsed_time: Seconds.
    """

    elapsed_time: float | None = None


class TurnMetrics(Model):
    """The measurements of a turn, by name, such as ``"convai_llm_service_ttfb"``.

    Schema: ConversationTurnMetrics. An older shape has the names without the level ``metrics``: it reads the same.
    """

    metrics: dict[str, MetricRecord] = field(default_factory=dict)
    convai_asr_provider: str | None = None
    convai_tts_model: str | None = None
    convai_tts_cascade: str | None = None
    voice_id: str | None = None

    @classmethod
    def of_any_age(cls, value: dict[str, Any]) -> Self:
        """Make the measurements of either shape, and leave out what is none."""
        metrics = value.get("metrics")
        if len(value) == 1 and type(metrics) is dict and _all_records(metrics):
            return cls(metrics=metrics)  # as nearly always
        if not isinstance(metrics, dict):  # the older shape: each value is a record
            metrics = {
                name: MetricRecord(elapsed_time=record.get("elapsed_time"))
                for name, record in value.items()
                if isinstance(record, dict)
            }
        texts = {name: value.get(name) for name in cls.__struct_fields__ if name != "metrics"}
        return cls(
            metrics={name: record for name, record in metrics.items() if isinstance(record, MetricRecord)},
            **{name: text for name, text in texts.items() if isinstance(text, str)},
        )


def _all_records(metrics: dict[str, Any]) -> bool:
    for record in metrics.values():  # noqa: SIM110 - a generator would cost more than all of it
        if type(record) is not MetricRecord:
            return False
    return True


if TYPE_CHECKING:
    AnyTurnMetrics = TurnMetrics
else:
    # What either shape decodes as; `TranscriptTurn` makes `TurnMetrics` of it.
    _Other = str | float | bool | list[Any] | None
    AnyTurnMetrics = dict[str, dict[str, MetricRecord | _Other] | _Other]


class AgentMetadata(Model):
    """Which agent spoke.

    Schema: AgentMetadata.
    """

    agent_id: str | None = None
    branch_id: str | None = None
    workflow_node_id: str | None = None
    version_id: str | None = None


class MultivoicePart(Model):
    """A part of a message in one of several voices.

    Schema: ConversationHistoryMultivoiceMessagePartModel.

    Attributes:
        time_in_call_secs: Seconds since the call began.
    """

    text: str | None = None
    voice_label: str | None = None
    time_in_call_secs: int | None = None


class MultivoiceMessage(Model):
    """A message in several voices.

    Schema: ConversationHistoryMultivoiceMessageModel.
    """

    parts: list[MultivoicePart] = field(default_factory=list)


class TurnFeedback(Model):
    """The user's rating of a turn.

    Schema: UserFeedback.

    Attributes:
        time_in_call_secs: Seconds since the call began.
    """

    score: FeedbackScore | None = None
    time_in_call_secs: int | None = None


class RagChunk(Model):
    """A piece of the knowledge base that was retrieved.

    Schema: RagChunkMetadata.
    """

    document_id: str | None = None
    chunk_id: str | None = None
    vector_distance: float | None = None


class RagRetrieval(Model):
    """What was looked up in the knowledge base for a turn.

    Schema: RagRetrievalInfo.

    Attributes:
        rag_latency_secs: Seconds that it took.
    """

    chunks: list[RagChunk] = field(default_factory=list)
    embedding_model: EmbeddingModel | None = None
    retrieval_query: str | None = None
    rag_latency_secs: float | None = None
    used_chunk_ids: list[str] = field(default_factory=list)


class Reasoning(Model):
    """What the agent thought.

    Schema: ConversationReasoningModel.
    """

    summary: str | None = None
    provider_redact: bool = False


class LLMGuardrailDetails(Model):
    """Why a language model objected.

    Schema: TriggeredGuardrailCommonModelGuardrailDetails_Llm.
    """

    type: str = "llm"
    rationale: str | None = None


class ClassifierGuardrailDetails(Model):
    """How a classifier scored.

    Schema: TriggeredGuardrailCommonModelGuardrailDetails_Classifier.
    """

    type: str = "classifier"
    score: float | None = None
    threshold: float | None = None


class UnknownGuardrailDetails(UnknownVariant):
    """Details of a guardrail that this version does not know; also what the service itself calls unknown."""


if TYPE_CHECKING:
    GuardrailDetails = LLMGuardrailDetails | ClassifierGuardrailDetails | UnknownGuardrailDetails
else:
    GuardrailDetails = open_union(
        "GuardrailDetails",
        tag="type",
        variants={"llm": LLMGuardrailDetails, "classifier": ClassifierGuardrailDetails},
        unknown=UnknownGuardrailDetails,
    )
"""Why a guardrail was triggered."""


class TriggeredGuardrail(Model):
    """A guardrail that a turn ran into.

    Schema: TriggeredGuardrailCommonModel.
    """

    guardrail_type: GuardrailType | None = None
    guardrail_name: str | None = None
    execution_mode: GuardrailExecutionMode | None = None
    guardrail_details: GuardrailDetails | None = None


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
    """A contextual update that a turn stands for.

    Schema: ContextualUpdateInfo.
    """

    context_id: str | None = None
    is_superseded: bool = False


class TranscriptTurn(Model):
    """One turn of a conversation.

    Schema: ConversationHistoryTranscriptCommonModel-Output.

    Attributes:
        role: ``"user"`` or ``"agent"``.
        message: What was said; None for a turn of tools only.
        time_in_call_secs: Seconds since the call began.
        original_message: What the agent was about to say when it was interrupted.
    """

    role: TurnRole | None = None
    agent_metadata: AgentMetadata | None = None
    message: str | None = None
    multivoice_message: MultivoiceMessage | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_results: list[ToolResult] = field(default_factory=list)
    feedback: TurnFeedback | None = None
    llm_override: str | None = None
    time_in_call_secs: int | None = None
    conversation_turn_metrics: AnyTurnMetrics | None = None
    rag_retrieval_info: RagRetrieval | None = None
    llm_usage: LLMUsage | None = None
    interrupted: bool = False
    original_message: str | None = None
    source_medium: SourceMedium | None = None
    producing_llm: str | None = None
    ignored_as_backchannel: bool = False
    platform_event: PlatformEvent | None = None
    reasoning: list[Reasoning] = field(default_factory=list)
    source_event_id: int | None = None
    used_static_kb_document_ids: list[str] = field(default_factory=list)
    user_identifier: str | None = None
    id: str | None = None
    created_at_unix_ms: int | None = None
    triggered_guardrails: list[TriggeredGuardrail] = field(default_factory=list)
    file_input: FileInput | None = None
    file_inputs: list[FileInput] = field(default_factory=list)
    contextual_update_info: ContextualUpdate | None = None
    reasoned: bool | None = None

    def __post_init__(self) -> None:
        """Read the measurements of either shape."""
        if isinstance(self.conversation_turn_metrics, dict):
            self.conversation_turn_metrics = TurnMetrics.of_any_age(self.conversation_turn_metrics)
