"""Conversations: their lines in a list, and their details."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from convai_async.models._base import Model
from convai_async.models._time import utc_datetime
from convai_async.models.analysis import ConversationAnalysis
from convai_async.models.enums import ConversationStatus, EvaluationResult, PhoneCallDirection
from convai_async.models.initiation import InitiationData
from convai_async.models.metadata import ConversationMetadata
from convai_async.models.transcript import TranscriptTurn


class ConversationSummary(Model):
    """A conversation as a list shows it.

    Schema: ConversationSummaryResponseModel.

    Attributes:
        start_time_unix_secs: Unix seconds; `start_time` is the same as a datetime.
        call_duration_secs: Seconds.
        transcript_summary: Filled in when the list was asked for with ``summary_mode="include"``.
        rating: 1 to 5.
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

    @property
    def start_time(self) -> datetime | None:
        """When the conversation started, in UTC."""
        return utc_datetime(self.start_time_unix_secs)


class ConversationsPage(Model):
    """A page of the list of conversations.

    Schema: GetConversationsPageResponseModel.
    """

    conversations: list[ConversationSummary] = field(default_factory=list)
    next_cursor: str | None = None
    has_more: bool | None = None


class Conversation(Model):
    """A conversation with its transcript.

    Schema: GetConversationResponseModel.

    Attributes:
        status: ``"done"`` and ``"failed"`` are final.
        analysis: How the service judged it; None until it did.
    """

    conversation_id: str
    agent_id: str | None = None
    status: ConversationStatus | None = None
    user_id: str | None = None
    branch_id: str | None = None
    transcript: list[TranscriptTurn] = field(default_factory=list)
    metadata: ConversationMetadata = field(default_factory=ConversationMetadata)
    analysis: ConversationAnalysis | None = None
    conversation_initiation_client_data: InitiationData = field(default_factory=InitiationData)
    has_audio: bool = False
    has_user_audio: bool = False
    has_response_audio: bool = False

    @property
    def start_time(self) -> datetime | None:
        """When the conversation started, in UTC."""
        return self.metadata.start_time
