"""The service's enums. They grow: a value that is not listed here is kept as the `str` that it is."""

from __future__ import annotations

from typing import Literal, TypeAlias

AgentDefinitionSource: TypeAlias = Literal["cli", "ui", "api", "template", "unknown"] | str
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
    ]
    | str
)
ConversationStatus: TypeAlias = Literal["initiated", "in-progress", "processing", "done", "failed"] | str
ConversationTokenPurpose: TypeAlias = Literal["signed_url", "shareable_link"] | str
DeliveryStatus: TypeAlias = Literal["pending", "success", "failed"] | str
EmbeddingModel: TypeAlias = Literal["e5_mistral_7b_instruct", "multilingual_e5_large_instruct"] | str
EvaluationResult: TypeAlias = Literal["success", "failure", "unknown"] | str
FeedbackType: TypeAlias = Literal["thumbs", "rating"] | str
FeedbackScore: TypeAlias = Literal["like", "dislike"] | str
JSONSchemaType: TypeAlias = Literal["boolean", "string", "integer", "number"] | str
PhoneCallDirection: TypeAlias = Literal["inbound", "outbound"] | str
SipDirection: TypeAlias = Literal["in", "out"] | str
SourceMedium: TypeAlias = Literal["audio", "text"] | str
SummaryMode: TypeAlias = Literal["exclude", "include"] | str
ToolResultType: TypeAlias = Literal["client", "webhook", "mcp"] | str
ToolType: TypeAlias = (
    Literal["system", "webhook", "client", "mcp", "workflow", "api_integration_webhook", "api_integration_mcp"] | str
)
TurnRole: TypeAlias = Literal["user", "agent"] | str
WhatsAppDirection: TypeAlias = Literal["inbound", "outbound", "unknown"] | str

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
    ]
    | str
)
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
    ]
    | str
)
