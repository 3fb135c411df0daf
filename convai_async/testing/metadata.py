"""Generates the metadata of conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async.testing.transcripts import build_llm_usage

if TYPE_CHECKING:
    from convai_async.testing.plans import ConversationPlan, StoredConversation

JSON = dict[str, Any]


def build_metadata(stored: StoredConversation, plan: ConversationPlan, *, quirks: bool) -> JSON:
    """Build the metadata of a conversation."""
    duration: int | float = float(plan.duration) if quirks and stored.number % 9 == 0 else plan.duration
    return {
        "start_time_unix_secs": stored.start,
        "accepted_time_unix_secs": stored.start + 1,
        "call_duration_secs": duration,
        "cost": plan.duration * 3,
        "deletion_settings": _build_deletion_settings(stored),
        "feedback": _build_feedback(plan, stored),
        "authorization_method": "signed_url",
        "charging": _build_charging(plan),
        "phone_call": _build_phone_call(plan, stored),
        "batch_call": {"batch_call_id": "batch_1", "batch_call_recipient_id": f"recipient_{stored.number}"}
        if plan.direction == "outbound"
        else None,
        "termination_reason": plan.termination_reason,
        "error": {"code": 1008, "reason": "The line dropped."} if stored.status == "failed" else None,
        "warnings": [],
        "main_language": plan.scenario.language,
        "rag_usage": {"usage_count": 2, "embedding_model": "e5_mistral_7b_instruct"},
        "text_only": plan.text_only,
        "features_usage": _build_features(),
        "eleven_assistant": {"is_eleven_assistant": False},
        "initiator_id": None,
        "conversation_initiation_source": plan.source,
        "conversation_initiation_source_version": "1.4.2",
        "timezone": None,
        "initiation_trigger": _build_trigger(stored),
        "async_metadata": _build_async_metadata(plan, stored) if stored.number % 10 == 0 else None,
        "whatsapp": _build_whatsapp(stored) if plan.source == "whatsapp" else None,
        "agent_created_from": "ui",
        "agent_last_updated_from": "api",
    }


def _build_deletion_settings(stored: StoredConversation) -> JSON:
    return {
        "deletion_time_unix_secs": stored.start + 730 * 86_400,
        "deleted_logs_at_time_unix_secs": None,
        "deleted_audio_at_time_unix_secs": None,
        "deleted_transcript_at_time_unix_secs": None,
        "delete_transcript_and_pii": True,
        "delete_audio": True,
    }


def _build_feedback(plan: ConversationPlan, stored: StoredConversation) -> JSON:
    return {
        "type": "rating" if plan.rating else "thumbs" if stored.feedback else None,
        "overall_score": stored.feedback,
        "likes": int(stored.feedback == "like"),
        "dislikes": int(stored.feedback == "dislike"),
        "rating": plan.rating,
        "comment": "Quick and friendly." if plan.rating == 5 else None,  # noqa: PLR2004 - five stars
    }


def _build_charging(plan: ConversationPlan) -> JSON:
    usage = {kind: build_llm_usage(plan.rng) for kind in ("irreversible_generation", "initiated_generation")}
    (initiated,) = usage["initiated_generation"]["model_usage"].values()
    return {
        "dev_discount": False,
        "is_burst": False,
        "tier": "pro",
        "llm_usage": usage,
        "llm_price": round(sum(each["price"] for each in initiated.values()), 9),
        "llm_charge": 12,
        "call_charge": plan.duration,
        "free_minutes_consumed": 0,
        "free_llm_dollars_consumed": 0,
    }


def _build_trigger(stored: StoredConversation) -> JSON:
    if stored.number % 10 == 0:
        return {"trigger_type": "zendesk", "ticket_id": stored.number}
    return {"trigger_type": "default"}


def _build_whatsapp(stored: StoredConversation) -> JSON:
    return {
        "direction": "inbound",
        "whatsapp_business_account_id": "wa_1",
        "whatsapp_phone_number_id": f"wapn_{1 + stored.number % 2}",
        "whatsapp_user_id": "wa_user_1",
    }


def _build_async_metadata(plan: ConversationPlan, stored: StoredConversation) -> JSON:
    number = stored.number
    system, link = (
        ("slack", f"https://example.slack.com/archives/C{number:08}/p{stored.start}")
        if number % 20 == 0
        else ("zendesk", f"https://example.zendesk.com/agent/tickets/{number}")
    )
    return {
        "delivery_status": "success",
        "delivery_timestamp": stored.start + plan.duration,
        "delivery_error": None,
        "external_system": system,
        "external_id": str(number),
        "external_link": link,
        "retry_count": 0,
        "last_retry_timestamp": None,
    }


def _build_phone_call(plan: ConversationPlan, stored: StoredConversation) -> JSON | None:
    if plan.direction is None:
        return None
    call = {
        "direction": plan.direction,
        "phone_number_id": f"phnum_{1 + stored.number % 2}",
        "agent_number": "+15550199",
        "external_number": f"+1555{stored.number % 10_000:04}",
        "call_sid": f"CA{stored.number:08}",
    }
    if plan.source == "twilio":
        return call | {"type": "twilio", "stream_sid": f"MZ{stored.number:08}"}
    return call | {"type": "sip_trunking"}


def _build_features() -> JSON:
    off = {"enabled": False, "used": False}
    names = (
        "language_detection",
        "transfer_to_agent",
        "transfer_to_number",
        "multivoice",
        "dtmf_tones",
        "external_mcp_servers",
        "tool_dynamic_variable_updates",
        "voicemail_detection",
    )
    nodes = ("tool_node", "standalone_agent_node", "phone_number_node", "end_node")
    return dict.fromkeys(names, off) | {
        "pii_zrm_workspace": False,
        "pii_zrm_agent": False,
        "is_livekit": True,
        "workflow": {"enabled": True} | {node: {"enabled": True, "used": True} for node in nodes},
        "agent_testing": {
            "enabled": True,
            "tests_ran_after_last_modification": True,
            "tests_ran_in_last_7_days": False,
        },
    }
