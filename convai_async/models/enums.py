"""The enums of the service. A value that is not listed here is kept as a string."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = [
    "LLM",
    "AgentDefinitionSource",
    "AnalysisScope",
    "AuthorizationMethod",
    "CallPermissionState",
    "CallResult",
    "CampaignConversationType",
    "ConversationProduct",
    "ConversationStatus",
    "ConversationTokenPurpose",
    "CriteriaScoringMode",
    "DeliveryStatus",
    "DocumentUsageMode",
    "EmbeddingModel",
    "EndProcedureErrorStatus",
    "EvaluationResult",
    "FeedbackScore",
    "FeedbackType",
    "GuardrailExecutionMode",
    "GuardrailType",
    "InitiationSource",
    "JSONSchemaType",
    "KnowledgeBaseDocumentType",
    "KnowledgeBaseRagStatus",
    "KnowledgeBaseStatus",
    "PhoneCallDirection",
    "PlatformEvent",
    "ReasoningEffort",
    "SentimentLabel",
    "SipDirection",
    "SourceMedium",
    "StartProcedureErrorStatus",
    "TTSModel",
    "TTSModelFamily",
    "ToolResultType",
    "ToolType",
    "TurnRole",
    "WhatsAppDirection",
]

AgentDefinitionSource: TypeAlias = Literal["cli", "ui", "api", "template", "unknown", "architect", "mcp"] | str
AnalysisScope: TypeAlias = Literal["conversation", "agent"] | str
AuthorizationMethod: TypeAlias = (
    Literal[
        "invalid",
        "public",
        "authorization_header",
        "signed_url",
        "shareable_link",
        "livekit_token",
        "livekit_token_website",
        "genesys_api_key",
        "avaya_api_key",
        "audiocodes_api_key",
        "whatsapp",
        "sms",
    ]
    | str
)
CallPermissionState: TypeAlias = Literal["blocked", "sent", "accepted", "declined"] | str
CallResult: TypeAlias = Literal["answered", "voicemail", "busy", "no_answer", "failed"] | str
CampaignConversationType: TypeAlias = Literal["initial", "retry", "callback", "redirect"] | str
ConversationProduct: TypeAlias = Literal["agents", "speech_engine"] | str
ConversationStatus: TypeAlias = Literal["initiated", "in-progress", "processing", "done", "failed"] | str
STATUSES = ("initiated", "in-progress", "processing", "done", "failed")
"""The statuses of a conversation, in order."""
FINAL_STATUSES = ("done", "failed")
"""The final statuses, after which a conversation only changes by another analysis, ratings and retention."""
ConversationTokenPurpose: TypeAlias = Literal["signed_url", "shareable_link"] | str
CriteriaScoringMode: TypeAlias = Literal["binary", "numeric_uniform"] | str
DeliveryStatus: TypeAlias = Literal["pending", "success", "failed"] | str
DocumentUsageMode: TypeAlias = Literal["prompt", "auto"] | str
EmbeddingModel: TypeAlias = Literal["e5_mistral_7b_instruct", "multilingual_e5_large_instruct"] | str
EndProcedureErrorStatus: TypeAlias = Literal["not_found", "invalid_id"] | str
EvaluationResult: TypeAlias = Literal["success", "failure", "unknown"] | str
FeedbackScore: TypeAlias = Literal["like", "dislike"] | str
FeedbackType: TypeAlias = Literal["thumbs", "rating"] | str
GuardrailExecutionMode: TypeAlias = Literal["streaming", "blocking"] | str
GuardrailType: TypeAlias = (
    Literal[
        "custom",
        "prompt_injection",
        "self_harm_intent",
        "violence_graphic",
        "sexual",
        "violence",
        "harassment",
        "sexual_minors",
        "self_harm",
        "self_harm_instructions",
        "harassment_threatening",
        "hate",
        "hate_threatening",
        "profanity",
        "religion_or_politics",
        "medical_and_legal",
        "guardrail",
    ]
    | str
)
InitiationSource: TypeAlias = (
    Literal[
        "unknown",
        "android_sdk",
        "node_js_sdk",
        "react_native_sdk",
        "react_sdk",
        "js_sdk",
        "python_sdk",
        "widget",
        "sip_trunk",
        "twilio",
        "genesys",
        "swift_sdk",
        "whatsapp",
        "flutter_sdk",
        "exotel",
        "avaya",
        "audiocodes",
        "twilio_sms",
        "zendesk_integration",
        "slack_integration",
        "telegram_integration",
        "intercom_integration",
        "freshdesk_integration",
        "salesforce_integration",
        "template_preview",
        "genesys_bot_connector",
        "subagent_tool",
    ]
    | str
)
JSONSchemaType: TypeAlias = Literal["boolean", "string", "integer", "number"] | str
KnowledgeBaseDocumentType: TypeAlias = Literal["file", "url", "text", "folder"] | str
KnowledgeBaseRagStatus: TypeAlias = Literal["success", "no_documents", "no_results"] | str
KnowledgeBaseStatus: TypeAlias = Literal["success", "no_matching_documents", "no_results"] | str
LLM: TypeAlias = (
    Literal[
        "gpt-4o-mini",
        "gpt-4o",
        "gpt-4",
        "gpt-4-turbo",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4.1-nano",
        "gpt-5",
        "gpt-5.1",
        "gpt-5-mini",
        "gpt-5-nano",
        "gpt-3.5-turbo",
        "gemini-1.5-pro",
        "gemini-1.5-flash",
        "gemini-2.0-flash",
        "gemini-2.0-flash-lite",
        "gemini-2.5-flash-lite",
        "gemini-2.5-flash",
        "gemini-3-pro-preview",
        "claude-sonnet-4-5",
        "claude-sonnet-4",
        "claude-haiku-4-5",
        "claude-3-7-sonnet",
        "claude-3-5-sonnet",
        "claude-3-5-sonnet-v1",
        "claude-3-haiku",
        "grok-beta",
        "custom-llm",
        "qwen3-4b",
        "qwen3-30b-a3b",
        "gpt-oss-20b",
        "gpt-oss-120b",
        "glm-45-air-fp8",
        "gemini-2.5-flash-preview-09-2025",
        "gemini-2.5-flash-lite-preview-09-2025",
        "gemini-2.5-flash-preview-05-20",
        "gemini-2.5-flash-preview-04-17",
        "gemini-2.5-flash-lite-preview-06-17",
        "gemini-2.0-flash-lite-001",
        "gemini-2.0-flash-001",
        "gemini-1.5-flash-002",
        "gemini-1.5-flash-001",
        "gemini-1.5-pro-002",
        "gemini-1.5-pro-001",
        "claude-sonnet-4@20250514",
        "claude-sonnet-4-5@20250929",
        "claude-haiku-4-5@20251001",
        "claude-3-7-sonnet@20250219",
        "claude-3-5-sonnet@20240620",
        "claude-3-5-sonnet-v2@20241022",
        "claude-3-haiku@20240307",
        "gpt-5-2025-08-07",
        "gpt-5.1-2025-11-13",
        "gpt-5-mini-2025-08-07",
        "gpt-5-nano-2025-08-07",
        "gpt-4.1-2025-04-14",
        "gpt-4.1-mini-2025-04-14",
        "gpt-4.1-nano-2025-04-14",
        "gpt-4o-mini-2024-07-18",
        "gpt-4o-2024-11-20",
        "gpt-4o-2024-08-06",
        "gpt-4o-2024-05-13",
        "gpt-4-0613",
        "gpt-4-0314",
        "gpt-4-turbo-2024-04-09",
        "gpt-3.5-turbo-0125",
        "gpt-3.5-turbo-1106",
        "watt-tool-8b",
        "watt-tool-70b",
        "gpt-5.2",
        "gpt-5.2-chat-latest",
        "gpt-5.4",
        "gpt-5.4-mini",
        "gpt-5.4-nano",
        "gpt-5.5",
        "gpt-5.6-sol",
        "gpt-5.6-terra",
        "gpt-5.6-luna",
        "gpt-6-astra",
        "gpt-6-sol",
        "gpt-6-luna",
        "gpt-6.1-sol",
        "gpt-6.1-terra",
        "gemini-3-flash-preview",
        "gemini-3.1-pro-preview",
        "gemini-3.1-flash-lite-preview",
        "gemini-3.1-flash-lite",
        "gemini-3.5-flash",
        "gemini-3.5-flash-lite",
        "gemini-3.6-flash",
        "gemini-3.7-flash",
        "gemini-3.8-flash",
        "gemini-4-argon",
        "claude-opus-4-6",
        "claude-opus-4-7",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-sonnet-4-6",
        "claude-sonnet-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
        "qwen36-35b-a3b",
        "qwen35-397b-a17b",
        "glm-52",
        "deepseek-v41-flash",
        "nemotron-35-super-vl-nvfp4",
        "gpt-5.2-2025-12-11",
        "gpt-5.4-2026-03-05",
        "gpt-5.4-mini-2026-03-17",
        "gpt-5.4-nano-2026-03-17",
        "gpt-5.5-2026-04-23",
    ]
    | str
)
PhoneCallDirection: TypeAlias = Literal["inbound", "outbound"] | str
PlatformEvent: TypeAlias = Literal["user_turn_timeout", "skip_turn_wait_elapsed"] | str
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | str
SentimentLabel: TypeAlias = Literal["positive", "neutral", "negative"] | str
SipDirection: TypeAlias = Literal["in", "out"] | str
SourceMedium: TypeAlias = Literal["audio", "text", "dtmf", "image", "file"] | str
StartProcedureErrorStatus: TypeAlias = Literal["not_found", "invalid_name", "already_active"] | str
TTSModel: TypeAlias = (
    Literal[
        "eleven_turbo_v2",
        "eleven_turbo_v2_5",
        "eleven_flash_v2",
        "eleven_flash_v2_5",
        "eleven_multilingual_v2",
        "eleven_v3_conversational",
        "eleven_v4",
        "eleven_v4_turbo",
    ]
    | str
)
TTSModelFamily: TypeAlias = Literal["turbo", "flash", "multilingual", "v3_conversational", "v4", "v4_turbo"] | str
ToolResultType: TypeAlias = Literal["client", "webhook", "mcp", "code"] | str
ToolType: TypeAlias = (
    Literal[
        "system",
        "webhook",
        "client",
        "mcp",
        "workflow",
        "api_integration_webhook",
        "api_integration_mcp",
        "smb",
    ]
    | str
)
TurnRole: TypeAlias = Literal["user", "agent"] | str
WhatsAppDirection: TypeAlias = Literal["inbound", "outbound", "unknown"] | str
