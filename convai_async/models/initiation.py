"""What the client asked for when it started a conversation."""

from __future__ import annotations

from typing import Any

from msgspec import field

from convai_async.models._base import Model
from convai_async.models.enums import LLM, InitiationSource


class SoftTimeoutOverride(Model):
    """What the agent says while the user waits.

    Schema: SoftTimeoutConfigOverride.
    """

    message: str | None = None


class TurnOverride(Model):
    """How turns are taken.

    Schema: TurnConfigOverride.
    """

    soft_timeout_config: SoftTimeoutOverride | None = None


class TTSOverride(Model):
    """How the agent's voice sounds.

    Schema: TTSConversationalConfigOverride.
    """

    voice_id: str | None = None
    stability: float | None = None
    speed: float | None = None
    similarity_boost: float | None = None


class ConversationOverride(Model):
    """What kind of conversation it is.

    Schema: ConversationConfigOverride.
    """

    text_only: bool | None = None


class PromptOverride(Model):
    """What the agent is told to be.

    Schema: PromptAgentAPIModelOverride.
    """

    prompt: str | None = None
    llm: LLM | None = None
    native_mcp_server_ids: list[str] = field(default_factory=list)


class AgentOverride(Model):
    """How the agent begins.

    Schema: AgentConfigOverride-Output.
    """

    first_message: str | None = None
    language: str | None = None
    prompt: PromptOverride | None = None


class ConfigOverride(Model):
    """What the client changed of the agent's configuration.

    Schema: ConversationConfigClientOverride-Output.
    """

    turn: TurnOverride | None = None
    tts: TTSOverride | None = None
    conversation: ConversationOverride | None = None
    agent: AgentOverride | None = None


class SourceInfo(Model):
    """Where the conversation was started from.

    Schema: ConversationInitiationSourceInfo.
    """

    source: InitiationSource | None = None
    version: str | None = None


class InitiationData(Model):
    """What the client asked for when it started a conversation.

    Schema: ConversationInitiationClientDataRequest-Output.

    Attributes:
        custom_llm_extra_body: Any JSON (schema: ConversationInitiationClientDataRequestOutputCustomLlmExtraBody).
        dynamic_variables: Text, numbers, booleans or None, by name (schema:
            ConversationInitiationClientDataRequestOutputDynamicVariables).
    """

    conversation_config_override: ConfigOverride = field(default_factory=ConfigOverride)
    custom_llm_extra_body: dict[str, Any] = field(default_factory=dict)
    user_id: str | None = None
    source_info: SourceInfo = field(default_factory=SourceInfo)
    dynamic_variables: dict[str, Any] = field(default_factory=dict)
