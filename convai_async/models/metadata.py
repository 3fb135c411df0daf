"""The circumstances of a conversation."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import field

from convai_async.models._base import Model, UnknownVariant, open_union
from convai_async.models._time import utc_datetime
from convai_async.models.charging import ConversationCharging
from convai_async.models.enums import (
    AgentDefinitionSource,
    AuthorizationMethod,
    DeliveryStatus,
    FeedbackScore,
    FeedbackType,
    InitiationSource,
    WhatsAppDirection,
)
from convai_async.models.features import FeaturesUsage
from convai_async.models.phone_calls import PhoneCall


class DeletionSettings(Model):
    """When a conversation's parts are, or were, deleted.

    Schema: ConversationDeletionSettings. Times are unix seconds.
    """

    deletion_time_unix_secs: int | None = None
    deleted_logs_at_time_unix_secs: int | None = None
    deleted_audio_at_time_unix_secs: int | None = None
    deleted_transcript_at_time_unix_secs: int | None = None
    delete_transcript_and_pii: bool = False
    delete_audio: bool = False


class ConversationFeedback(Model):
    """How users rated a conversation.

    Schema: ConversationHistoryFeedbackCommonModel.

    Attributes:
        rating: 1 to 5.
    """

    type: FeedbackType | None = None
    overall_score: FeedbackScore | None = None
    likes: int = 0
    dislikes: int = 0
    rating: int | None = None
    comment: str | None = None


class BatchCall(Model):
    """The batch that a call was part of.

    Schema: ConversationHistoryBatchCallModel.
    """

    batch_call_id: str | None = None
    batch_call_recipient_id: str | None = None


class ConversationError(Model):
    """Why a conversation broke off.

    Schema: ConversationHistoryErrorCommonModel.
    """

    code: int | None = None
    reason: str | None = None


class RagUsage(Model):
    """How often the knowledge base was consulted.

    Schema: ConversationHistoryRagUsageCommonModel.
    """

    usage_count: int = 0
    embedding_model: str | None = None


class ElevenAssistant(Model):
    """Whether the agent was the service's own assistant.

    Schema: ConversationHistoryElevenAssistantCommonModel.
    """

    is_eleven_assistant: bool = False


class AsyncConversation(Model):
    """The delivery of a conversation to another system.

    Schema: AsyncConversationMetadata. Timestamps are unix seconds.
    """

    delivery_status: DeliveryStatus | None = None
    delivery_timestamp: int | None = None
    delivery_error: str | None = None
    external_system: str | None = None
    external_id: str | None = None
    retry_count: int = 0
    last_retry_timestamp: int | None = None


class WhatsAppConversation(Model):
    """A conversation over WhatsApp.

    Schema: WhatsAppConversationInfo.
    """

    direction: WhatsAppDirection | None = None
    whatsapp_business_account_id: str | None = None
    whatsapp_user_id: str | None = None


class DefaultInitiation(Model):
    """Nothing in particular started the conversation.

    Schema: DefaultConversationInitiationTrigger.
    """

    trigger_type: str = "default"


class ZendeskInitiation(Model):
    """A Zendesk ticket started the conversation.

    Schema: ZendeskConversationInitiationTrigger.
    """

    trigger_type: str = "zendesk"
    ticket_id: int | None = None


class UnknownInitiation(UnknownVariant):
    """Something that this version does not know started the conversation."""


if TYPE_CHECKING:
    InitiationTrigger = DefaultInitiation | ZendeskInitiation | UnknownInitiation
else:
    InitiationTrigger = open_union(
        "InitiationTrigger",
        tag="trigger_type",
        variants={"default": DefaultInitiation, "zendesk": ZendeskInitiation},
        unknown=UnknownInitiation,
    )
"""What started a conversation.

Schema: ConversationHistoryMetadataCommonModelInitiationTrigger.
"""


class ConversationMetadata(Model):
    """The circumstances of a conversation.

    Schema: ConversationHistoryMetadataCommonModel.

    Attributes:
        start_time_unix_secs: Unix seconds; `start_time` is the same as a datetime.
        accepted_time_unix_secs: Unix seconds.
        call_duration_secs: Seconds.
        cost: Credits.
    """

    start_time_unix_secs: int | None = None
    accepted_time_unix_secs: int | None = None
    call_duration_secs: int | None = None
    cost: int | None = None
    deletion_settings: DeletionSettings = field(default_factory=DeletionSettings)
    feedback: ConversationFeedback = field(default_factory=ConversationFeedback)
    authorization_method: AuthorizationMethod | None = None
    charging: ConversationCharging = field(default_factory=ConversationCharging)
    phone_call: PhoneCall | None = None
    batch_call: BatchCall | None = None
    termination_reason: str | None = None
    error: ConversationError | None = None
    warnings: list[str] = field(default_factory=list)
    main_language: str | None = None
    rag_usage: RagUsage | None = None
    text_only: bool = False
    features_usage: FeaturesUsage = field(default_factory=FeaturesUsage)
    eleven_assistant: ElevenAssistant = field(default_factory=ElevenAssistant)
    initiator_id: str | None = None
    conversation_initiation_source: InitiationSource | None = None
    conversation_initiation_source_version: str | None = None
    timezone: str | None = None
    initiation_trigger: InitiationTrigger | None = None
    async_metadata: AsyncConversation | None = None
    whatsapp: WhatsAppConversation | None = None
    agent_created_from: AgentDefinitionSource | None = None
    agent_last_updated_from: AgentDefinitionSource | None = None

    @property
    def start_time(self) -> datetime | None:
        """When the conversation started, in UTC."""
        return utc_datetime(self.start_time_unix_secs)
