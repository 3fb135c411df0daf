"""Metadata of conversations."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from convai_async._support.timestamps import to_utc_datetime
from convai_async.models._base import Model, UnknownVariant
from convai_async.models._open_union import ByTagOrNull, OpenUnion
from convai_async.models.charging import ConversationCharging
from convai_async.models.enums import (
    AgentDefinitionSource,
    AuthorizationMethod,
    CallPermissionState,
    CallResult,
    CampaignConversationType,
    DeliveryStatus,
    FeedbackScore,
    FeedbackType,
    InitiationSource,
    PhoneCallDirection,
    WhatsAppDirection,
)
from convai_async.models.features import FeaturesUsage
from convai_async.models.phone_calls import PHONE_CALL, PhoneCall

__all__ = [
    "AsyncConversation",
    "BatchCall",
    "BatchCallCampaign",
    "ConversationError",
    "ConversationFeedback",
    "ConversationMetadata",
    "DefaultInitiation",
    "DeletionSettings",
    "ElevenAssistant",
    "InitiationTrigger",
    "PlainIntegration",
    "PlatformMetadata",
    "RagUsage",
    "SmsConversation",
    "UnknownInitiation",
    "UnknownIntegration",
    "VoiceReward",
    "WhatsAppCallPermission",
    "WhatsAppConversation",
    "WhatsAppOpening",
    "WhatsAppRecipient",
    "ZendeskInitiation",
    "ZendeskIntegration",
]


class DeletionSettings(Model):
    """The deletion of a conversation and its parts. Times are in Unix seconds.

    Schema: ConversationDeletionSettings.
    """

    deletion_time_unix_secs: int | None = None
    deleted_logs_at_time_unix_secs: int | None = None
    deleted_audio_at_time_unix_secs: int | None = None
    deleted_transcript_at_time_unix_secs: int | None = None
    delete_transcript_and_pii: bool = False
    delete_audio: bool = False


class ConversationFeedback(Model):
    """The ratings of a conversation.

    Schema: ConversationHistoryFeedbackCommonModel.

    Attributes:
        likes: The number of likes, or None if unknown.
        dislikes: The number of dislikes, or None if unknown.
        rating: The rating, 1 to 5.
    """

    type: FeedbackType | None = None
    overall_score: FeedbackScore | None = None
    likes: int | None = None
    dislikes: int | None = None
    rating: int | None = None
    comment: str | None = None


class BatchCallCampaign(Model):
    """The campaign of a batch call.

    Schema: BatchCallingCampaignInformation.
    """

    campaign_id: str | None = None
    campaign_lead_id: str | None = None
    cold_attempt: int | None = None
    conversation_type: CampaignConversationType | None = None


class BatchCall(Model):
    """The batch that a call belongs to.

    Schema: ConversationHistoryBatchCallModel.
    """

    batch_call_id: str | None = None
    batch_call_recipient_id: str | None = None
    campaign: BatchCallCampaign | None = None


class ConversationError(Model):
    """The error that ended a conversation.

    Schema: ConversationHistoryErrorCommonModel.
    """

    code: int | None = None
    reason: str | None = None


class RagUsage(Model):
    """The usage of the knowledge base.

    Schema: ConversationHistoryRagUsageCommonModel.
    """

    usage_count: int | None = None
    embedding_model: str | None = None


class ElevenAssistant(Model):
    """Whether the agent was the service's assistant.

    Schema: ConversationHistoryElevenAssistantCommonModel.
    """

    is_eleven_assistant: bool = False


class PlainIntegration(Model):
    """The Plain thread of a conversation.

    Schema: AsyncConversationMetadataPlatformMetadata_PlainIntegration.
    """

    conversation_initiation_source: str = "plain_integration"
    thread_id: str | None = None
    workspace_id: str | None = None


class ZendeskIntegration(Model):
    """The Zendesk ticket of a conversation.

    Schema: AsyncConversationMetadataPlatformMetadata_ZendeskIntegration.
    """

    conversation_initiation_source: str = "zendesk_integration"
    ticket_id: str | None = None


class UnknownIntegration(UnknownVariant):
    """An integration that this version does not know."""


PlatformMetadata = PlainIntegration | ZendeskIntegration | UnknownIntegration
"""The metadata of an integration."""

_PLATFORM_METADATA: OpenUnion[PlatformMetadata] = OpenUnion(
    PlatformMetadata,
    tag="conversation_initiation_source",
    variants={"plain_integration": PlainIntegration, "zendesk_integration": ZendeskIntegration},
    unknown=UnknownIntegration,
)


class AsyncConversation(Model):
    """The delivery of a conversation to an external system. Timestamps are in Unix seconds.

    Schema: AsyncConversationMetadata.
    """

    delivery_status: DeliveryStatus | None = None
    delivery_timestamp: int | None = None
    delivery_error: str | None = None
    external_system: str | None = None
    external_id: str | None = None
    retry_count: int | None = None
    last_retry_timestamp: int | None = None
    external_link: str | None = None
    last_processed_external_message_id: str | None = None
    integration_trigger_id: str | None = None
    platform_metadata: ByTagOrNull[PlatformMetadata] = None

    def __post_init__(self) -> None:
        """Decode the open unions."""
        self.platform_metadata = _PLATFORM_METADATA.read(self.platform_metadata, "platform_metadata")


class WhatsAppRecipient(Model):
    """The recipient of a WhatsApp conversation.

    Schema: WhatsAppRecipient.
    """

    phone: str | None = None
    bsuid: str | None = None


class WhatsAppCallPermission(Model):
    """The permission to call a WhatsApp user. Times are in Unix seconds.

    Schema: WhatsAppCallPermissionRequest.
    """

    state: CallPermissionState | None = None
    requested_at_unix: int | None = None
    responded_at_unix: int | None = None
    permanent: bool = False
    granted_by_user_call: bool = False


class WhatsAppOpening(Model):
    """The first message of a WhatsApp conversation. Times are in Unix seconds.

    Schema: WhatsAppOpeningMessage.
    """

    template_name: str | None = None
    wamid: str | None = None
    sent_at_unix: int | None = None
    delivered_at_unix: int | None = None
    read_at_unix: int | None = None
    replied_at_unix: int | None = None
    failed_at_unix: int | None = None
    error_code: str | None = None
    pricing_category: str | None = None
    billable: bool | None = None


class WhatsAppConversation(Model):
    """A conversation over WhatsApp.

    Schema: WhatsAppConversationInfo.
    """

    direction: WhatsAppDirection | None = None
    whatsapp_business_account_id: str | None = None
    whatsapp_user_id: str | None = None
    whatsapp_phone_number_id: str | None = None
    awaiting_first_user_message: bool = False
    recipient: WhatsAppRecipient | None = None
    call_permission_request: WhatsAppCallPermission | None = None
    call_result: CallResult | None = None
    opening_message: WhatsAppOpening | None = None


class DefaultInitiation(Model):
    """The default trigger of a conversation.

    Schema: DefaultConversationInitiationTrigger.
    """

    trigger_type: str = "default"


class ZendeskInitiation(Model):
    """A Zendesk ticket that started a conversation.

    Schema: ZendeskConversationInitiationTrigger.
    """

    trigger_type: str = "zendesk"
    ticket_id: int | None = None


class UnknownInitiation(UnknownVariant):
    """A trigger that this version does not know."""


InitiationTrigger = DefaultInitiation | ZendeskInitiation | UnknownInitiation
"""The trigger of a conversation.

Schema: ConversationHistoryMetadataCommonModelInitiationTrigger.
"""

_INITIATION_TRIGGER: OpenUnion[InitiationTrigger] = OpenUnion(
    InitiationTrigger,
    tag="trigger_type",
    variants={"default": DefaultInitiation, "zendesk": ZendeskInitiation},
    unknown=UnknownInitiation,
)


class SmsConversation(Model):
    """A conversation over SMS.

    Schema: SmsConversationInfo.
    """

    direction: PhoneCallDirection | None = None
    phone_number_id: str | None = None
    sms_user_phone_number: str | None = None
    agent_phone_number: str | None = None


class VoiceReward(Model):
    """The reward for the owner of a voice.

    Schema: ConversationVoiceRewardModel.

    Attributes:
        reward_usd_cents: The reward in US cents.
    """

    voice_id: str | None = None
    reward_usd_cents: float | None = None


class ConversationMetadata(Model):
    """The metadata of a conversation: times, costs, ratings, and how it started and ended.

    Schema: ConversationHistoryMetadataCommonModel.

    Attributes:
        start_time_unix_secs: The start time in Unix seconds; see `start_time`.
        accepted_time_unix_secs: The time at which the call was accepted, in Unix seconds.
        call_duration_secs: The duration in seconds, without the time in the queue.
        cost: The cost in credits.
        queue_wait_secs: The time in the queue in seconds, which is not billed; None if the conversation was not queued.
        cost_fiat: The cost of the language models and the platform in US dollars; None for conversations from before
            the service recorded it.
    """

    start_time_unix_secs: int | None = None
    accepted_time_unix_secs: int | None = None
    call_duration_secs: int | None = None
    cost: int | None = None
    deletion_settings: DeletionSettings = field(default_factory=DeletionSettings)
    feedback: ConversationFeedback = field(default_factory=ConversationFeedback)
    authorization_method: AuthorizationMethod | None = None
    charging: ConversationCharging = field(default_factory=ConversationCharging)
    phone_call: ByTagOrNull[PhoneCall] = None
    batch_call: BatchCall | None = None
    termination_reason: str | None = None
    error: ConversationError | None = None
    warnings: tuple[str, ...] = ()
    main_language: str | None = None
    rag_usage: RagUsage | None = None
    text_only: bool = False
    features_usage: FeaturesUsage = field(default_factory=FeaturesUsage)
    eleven_assistant: ElevenAssistant = field(default_factory=ElevenAssistant)
    initiator_id: str | None = None
    conversation_initiation_source: InitiationSource | None = None
    conversation_initiation_source_version: str | None = None
    timezone: str | None = None
    initiation_trigger: ByTagOrNull[InitiationTrigger] = None
    async_metadata: AsyncConversation | None = None
    whatsapp: WhatsAppConversation | None = None
    agent_created_from: AgentDefinitionSource | None = None
    agent_last_updated_from: AgentDefinitionSource | None = None
    queue_wait_secs: float | None = None
    sms: SmsConversation | None = None
    voice_rewards: tuple[VoiceReward, ...] = ()
    cost_fiat: float | None = None

    def __post_init__(self) -> None:
        """Decode the open unions."""
        self.phone_call = PHONE_CALL.read(self.phone_call, "phone_call")
        self.initiation_trigger = _INITIATION_TRIGGER.read(self.initiation_trigger, "initiation_trigger")

    @property
    def start_time(self) -> datetime | None:
        """The start time in UTC, or None if it is unknown."""
        return to_utc_datetime(self.start_time_unix_secs)
