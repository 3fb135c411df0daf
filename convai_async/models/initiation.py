"""The settings with which clients start conversations."""

from __future__ import annotations

from typing import Any

from msgspec import field

from convai_async.models._base import Model, OrNull
from convai_async.models.enums import (
    LLM,
    DocumentUsageMode,
    InitiationSource,
    KnowledgeBaseDocumentType,
    ReasoningEffort,
    TTSModel,
    TTSModelFamily,
)

__all__ = [
    "ASROverride",
    "AgentOverride",
    "ConfigOverride",
    "ConversationOverride",
    "InitiationData",
    "KnowledgeBaseDocument",
    "PromptOverride",
    "PronunciationDictionary",
    "SoftTimeoutOverride",
    "SourceInfo",
    "SupportedVoice",
    "TTSOverride",
    "TurnOverride",
]


class SoftTimeoutOverride(Model):
    """The messages for a slow language model.

    Schema: SoftTimeoutConfigOverride.

    Attributes:
        message: The message for the first time that the language model is slow.
        additional_soft_timeout_messages: The messages for the next times; the last one is repeated.
    """

    message: str | None = None
    additional_soft_timeout_messages: tuple[str, ...] = ()


class TurnOverride(Model):
    """The turn-taking settings.

    Schema: TurnConfigOverride.
    """

    soft_timeout_config: SoftTimeoutOverride | None = None
    noisy_environment_message: str | None = None


class SupportedVoice(Model):
    """A voice that the agent can switch to.

    Schema: SupportedVoice.
    """

    label: str | None = None
    voice_id: str | None = None
    description: str | None = None
    language: str | None = None
    model_family: TTSModelFamily | None = None
    optimize_streaming_latency: int | None = None
    stability: float | None = None
    speed: float | None = None
    similarity_boost: float | None = None
    clone_strength: float | None = None


class PronunciationDictionary(Model):
    """A version of a pronunciation dictionary.

    Schema: PydanticPronunciationDictionaryVersionLocator.
    """

    pronunciation_dictionary_id: str | None = None
    version_id: str | None = None


class TTSOverride(Model):
    """The text-to-speech settings.

    Schema: TTSConversationalConfigOverride.
    """

    voice_id: str | None = None
    stability: float | None = None
    speed: float | None = None
    similarity_boost: float | None = None
    model_id: TTSModel | None = None
    supported_voices: tuple[SupportedVoice, ...] = ()
    clone_strength: float | None = None
    pronunciation_dictionary_locators: tuple[PronunciationDictionary, ...] = ()


class ConversationOverride(Model):
    """The settings of the conversation itself.

    Schema: ConversationConfigOverride.
    """

    text_only: bool | None = None
    max_duration_seconds: int | None = None


class KnowledgeBaseDocument(Model):
    """A document of the knowledge base, and its usage.

    Schema: KnowledgeBaseLocator.
    """

    type: KnowledgeBaseDocumentType | None = None
    name: str | None = None
    id: str | None = None
    usage_mode: DocumentUsageMode | None = None


class PromptOverride(Model):
    """The prompt, the language model and the tools of the agent.

    Schema: PromptAgentAPIModelOverride.
    """

    prompt: str | None = None
    llm: LLM | None = None
    native_mcp_server_ids: OrNull[tuple[str, ...]] = ()
    reasoning_effort: ReasoningEffort | None = None
    tool_ids: tuple[str, ...] = ()
    tool_ids_strict: bool | None = None
    knowledge_base: tuple[KnowledgeBaseDocument, ...] = ()

    def __post_init__(self) -> None:
        """Replace null."""
        if self.native_mcp_server_ids is None:
            self.native_mcp_server_ids = ()


class AgentOverride(Model):
    """The settings of the agent.

    Schema: AgentConfigOverride-Output.
    """

    first_message: str | None = None
    language: str | None = None
    prompt: PromptOverride | None = None
    max_conversation_duration_message: str | None = None


class ASROverride(Model):
    """The speech recognition settings.

    Schema: AsrConversationalConfigOverride.
    """

    keywords: tuple[str, ...] = ()


class ConfigOverride(Model):
    """The client's changes to the agent's configuration.

    Schema: ConversationConfigClientOverride-Output.
    """

    turn: TurnOverride | None = None
    tts: TTSOverride | None = None
    conversation: ConversationOverride | None = None
    agent: AgentOverride | None = None
    asr: ASROverride | None = None


class SourceInfo(Model):
    """The source of a conversation, such as an SDK and its version.

    Schema: ConversationInitiationSourceInfo.
    """

    source: InitiationSource | None = None
    version: str | None = None


class InitiationData(Model):
    """The settings with which the client started a conversation.

    Schema: ConversationInitiationClientDataRequest-Output.

    Attributes:
        conversation_config_override: The changes to the agent's configuration.
        custom_llm_extra_body: Any JSON object (schema:
            ConversationInitiationClientDataRequestOutputCustomLlmExtraBody).
        dynamic_variables: Strings, numbers, booleans or None, by name (schema:
            ConversationInitiationClientDataRequestOutputDynamicVariables).
        user_id: The id of the user in your application.
        environment: The environment whose variables the agent uses.
        starting_workflow_node_id: The workflow node to start with, instead of the default one.
        procedure_ids: The procedures that the first agent may use; empty if the client did not restrict them.
        start_procedure_ids: The procedures that start with the conversation.
    """

    conversation_config_override: ConfigOverride = field(default_factory=ConfigOverride)
    custom_llm_extra_body: dict[str, Any] = field(default_factory=dict)
    user_id: str | None = None
    source_info: SourceInfo = field(default_factory=SourceInfo)
    dynamic_variables: dict[str, Any] = field(default_factory=dict)
    branch_id: str | None = None
    environment: str | None = None
    starting_workflow_node_id: str | None = None
    procedure_ids: tuple[str, ...] = ()
    start_procedure_ids: tuple[str, ...] = ()
