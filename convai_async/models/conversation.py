"""Conversations, and their summaries in lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from msgspec import field

from convai_async._support.timestamps import to_utc_datetime
from convai_async.models._base import Model
from convai_async.models._list_item import ListItem
from convai_async.models._repr import build_repr, format_count, format_seconds, format_text, format_word
from convai_async.models.analysis import ConversationAnalysis
from convai_async.models.enums import (
    ConversationProduct,
    ConversationStatus,
    EvaluationResult,
    InitiationSource,
    PhoneCallDirection,
    SentimentLabel,
)
from convai_async.models.initiation import InitiationData
from convai_async.models.metadata import ConversationMetadata
from convai_async.models.transcript import TranscriptTurn

__all__ = [
    "Conversation",
    "ConversationSummary",
    "CriterionSummary",
    "SentimentAnalysis",
    "VisitedAgent",
]


class SentimentAnalysis(Model):
    """The sentiment of the user, which is scored in each turn.

    Schema: ConversationSentimentAnalysis.
    """

    overall_label: SentimentLabel | None = None
    overall_sentiment_score: float | None = None
    overall_frustration_score: float | None = None
    min_user_sentiment_score: float | None = None
    max_user_frustration_score: float | None = None
    num_scored_user_turns: int | None = None


class CriterionSummary(Model):
    """The result of an evaluation criterion, in a list of conversations.

    Schema: EvaluationCriteriaSummaryResult.
    """

    result: EvaluationResult | None = None
    score: int | None = None
    max_score: int | None = None


class ConversationSummary(ListItem, gc=True, dict=True):
    """A conversation in a list of conversations.

    Schema: ConversationSummaryResponseModel.

    Attributes:
        start_time_unix_secs: The start time in Unix seconds; see `start_time`.
        call_duration_secs: The duration in seconds.
        message_count: The number of turns with text, without turns that only call tools.
        status: ``"done"`` and ``"failed"`` are final.
        transcript_summary: A generated summary; None unless the list was requested with ``summary_mode="include"``.
        rating: The rating, 1 to 5.
        cost: The cost in credits.
        cost_fiat: The cost in US dollars; None for conversations from before the service recorded it.
        user_message_count: The number of turns of the user with text; None for old conversations whose transcript was
            deleted.
        agent_message_count: The number of turns of the agent with text; None as ``user_message_count``.
        data_collection_results: The collected data that the list was requested with in ``data_collection_ids``.
        evaluation_criteria_results: The results of the criteria that the list was requested with in
            ``evaluation_criteria_ids``.
    """

    conversation_id: str
    agent_id: str | None = None
    branch_id: str | None = None
    agent_name: str | None = None
    start_time_unix_secs: int | None = None
    call_duration_secs: int | None = None
    message_count: int | None = None
    status: ConversationStatus | None = None
    call_successful: EvaluationResult | None = None
    transcript_summary: str | None = None
    call_summary_title: str | None = None
    direction: PhoneCallDirection | None = None
    rating: float | None = None
    version_id: str | None = None
    cost: int | None = None
    cost_fiat: float | None = None
    user_message_count: int | None = None
    agent_message_count: int | None = None
    termination_reason: str | None = None
    call_success_score: float | None = None
    main_language: str | None = None
    conversation_initiation_source: InitiationSource | None = None
    tool_names: tuple[str, ...] = ()
    sentiment_analysis: SentimentAnalysis | None = None
    data_collection_results: dict[str, Any] = field(default_factory=dict)
    evaluation_criteria_results: dict[str, CriterionSummary | None] = field(default_factory=dict)
    tag_ids: tuple[str, ...] = ()

    @property
    def start_time(self) -> datetime | None:
        """The start time in UTC, or None if it is unknown."""
        return to_utc_datetime(self.start_time_unix_secs)

    def __repr__(self) -> str:
        return build_repr(
            self,
            format_word(self.conversation_id),
            format_word(self.status),
            format_seconds(self.call_duration_secs),
            format_count(self.message_count, "message"),
            format_text(self.call_summary_title),
        )


class VisitedAgent(Model):
    """An agent, and its branch, that took part in a conversation.

    Schema: VisitedAgentRef.
    """

    agent_id: str | None = None
    branch_id: str | None = None


class Conversation(Model):
    """A conversation with its transcript.

    Schema: GetConversationResponseModel.

    Attributes:
        status: ``"done"`` and ``"failed"`` are final.
        transcript: The turns, in order.
        metadata: Times, costs, ratings, and how the conversation started and ended.
        analysis: The analysis, or None if there is none yet.
        conversation_initiation_client_data: The settings with which the client started the conversation.
        version_id: The version of the agent.
        user_message_count: The number of turns of the user with text; None for old conversations whose transcript was
            deleted.
        agent_message_count: The number of turns of the agent with text, without turns that only call tools; None as
            ``user_message_count``.
        otlp_traces: OpenTelemetry traces; None unless the conversation was requested with
            ``format="opentelemetry"``.
    """

    decoded_in_parts: ClassVar[tuple[str, type]] = ("transcript", TranscriptTurn)

    conversation_id: str
    agent_id: str | None = None
    status: ConversationStatus | None = None
    user_id: str | None = None
    branch_id: str | None = None
    transcript: tuple[TranscriptTurn, ...] = ()
    metadata: ConversationMetadata = field(default_factory=ConversationMetadata)
    analysis: ConversationAnalysis | None = None
    conversation_initiation_client_data: InitiationData = field(default_factory=InitiationData)
    has_audio: bool = False
    has_user_audio: bool = False
    has_response_audio: bool = False
    agent_name: str | None = None
    conversation_product: ConversationProduct | None = None
    version_id: str | None = None
    user_message_count: int | None = None
    agent_message_count: int | None = None
    visited_agents: tuple[VisitedAgent, ...] = ()
    environment: str | None = None
    has_auxiliary_audio: bool = False
    tag_ids: tuple[str, ...] = ()
    otlp_traces: dict[str, Any] | None = None

    @property
    def start_time(self) -> datetime | None:
        """The start time in UTC, or None if it is unknown."""
        return self.metadata.start_time

    def __repr__(self) -> str:
        return build_repr(
            self,
            format_word(self.conversation_id),
            format_word(self.status),
            format_seconds(getattr(self.metadata, "call_duration_secs", None)),
            format_count(self.transcript, "turn"),
            format_text(getattr(self.analysis, "call_summary_title", None)),
        )

    def _repr_html_(self) -> str:
        """Return the conversation as HTML, which a notebook shows."""
        from convai_async.models._html import render_conversation  # noqa: PLC0415 - only notebooks need it

        return render_conversation(self)
