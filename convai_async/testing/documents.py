"""Generates the documents of conversations, each time they are requested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async.testing.custom_conversations import build_summary, complete_document
from convai_async.testing.metadata import build_metadata
from convai_async.testing.plans import AGENTS, TOPICS, build_plan, has_audio
from convai_async.testing.scenarios import GREETINGS
from convai_async.testing.transcripts import LLMS, build_transcript

if TYPE_CHECKING:
    from convai_async.testing.plans import ConversationPlan, StoredConversation

__all__ = ["AGENTS", "Documents"]

JSON = dict[str, Any]


class Documents:
    """Generates documents.

    Args:
        seed: The seed of the generated data.
        quirks: Whether documents have the quirks of the real service: null for an empty list, integers as ``1.0``,
            an older form of metrics.
    """

    def __init__(self, seed: int, *, quirks: bool) -> None:
        self._seed = seed
        self._quirks = quirks

    def topic_ids(self, stored: StoredConversation) -> set[str]:
        """Return the ids of the topics of a conversation."""
        if stored.topic_ids is not None:
            return set(stored.topic_ids)
        return {f"topic_{TOPICS.index(build_plan(stored, self._seed).scenario.topic)}"}

    def summary(self, stored: StoredConversation, *, with_text: bool) -> JSON:
        """Build the list item of a conversation."""
        if stored.given is not None:
            return build_summary(self.details(stored), with_text=with_text)
        plan = build_plan(stored, self._seed)
        agent_id, agent_name = AGENTS[stored.agent]
        messages = plan.turns - 1  # the last turn only calls a tool
        return {
            "agent_id": agent_id,
            "branch_id": plan.branch_id,
            "version_id": plan.version_id,
            "agent_name": agent_name,
            "conversation_id": stored.conversation_id,
            "start_time_unix_secs": stored.start,
            "call_duration_secs": plan.duration,
            "cost": plan.duration * 3,
            "message_count": messages,
            "user_message_count": messages // 2,
            "agent_message_count": messages - messages // 2,
            "status": stored.status,
            "termination_reason": plan.termination_reason,
            "call_successful": plan.outcome,
            "transcript_summary": _write_summary(plan, stored) if with_text else None,
            "call_summary_title": plan.scenario.title if stored.status == "done" else None,
            "main_language": plan.scenario.language,
            "conversation_initiation_source": plan.source,
            "direction": plan.direction,
            "rating": plan.rating,
            "tag_ids": stored.tag_ids,
        }

    def details(self, stored: StoredConversation) -> JSON:
        """Build the full document of a conversation."""
        plan = build_plan(stored, self._seed)
        done = stored.status == "done"
        user_id = f"user_{plan.rng.randrange(50)}"
        audible = has_audio(stored)
        transcript = build_transcript(stored, plan, quirks=self._quirks)
        agent_id, agent_name = AGENTS[stored.agent]
        document = {
            "agent_id": agent_id,
            "agent_name": agent_name,
            "conversation_product": plan.product,
            "conversation_id": stored.conversation_id,
            "status": stored.status,
            "user_id": user_id,
            "branch_id": plan.branch_id,
            "version_id": plan.version_id,
            "environment": "production",
            "user_message_count": (plan.turns - 1) // 2,
            "agent_message_count": plan.turns // 2,
            "visited_agents": _list_visited_agents(transcript),
            "transcript": transcript,
            "metadata": build_metadata(stored, plan, quirks=self._quirks),
            "analysis": _build_analysis(plan, stored) if done else None,
            "conversation_initiation_client_data": _build_client_data(plan, user_id),
            "has_audio": audible,
            "has_user_audio": audible,
            "has_response_audio": audible,
            "has_auxiliary_audio": False,
            "tag_ids": stored.tag_ids,
        }
        return document if stored.given is None else complete_document(document, stored.given) | stored.exact


def _list_visited_agents(transcript: list[JSON]) -> list[JSON]:
    visited = [
        {"agent_id": turn["agent_metadata"]["agent_id"], "branch_id": turn["agent_metadata"]["branch_id"]}
        for turn in transcript
        if turn["agent_metadata"]
    ]
    return [each for number, each in enumerate(visited) if each not in visited[:number]]


def _write_summary(plan: ConversationPlan, stored: StoredConversation) -> str | None:
    if stored.status != "done":
        return None
    return plan.scenario.summary + (f" (analysed again, {stored.revision})" if stored.revision else "")


def _build_analysis(plan: ConversationPlan, stored: StoredConversation) -> JSON:
    party_size = 2 + stored.number % 7 if plan.scenario.topic == "booking" else None
    return {
        "evaluation_criteria_results": {
            "was_polite": {
                "criteria_id": "was_polite",
                "result": "success",
                "rationale": "The agent kept a friendly tone.",
            },
            "solved": {"criteria_id": "solved", "result": plan.outcome, "rationale": "Judged by the last turns."},
        },
        "data_collection_results": {
            "reason": {
                "data_collection_id": "reason",
                "value": plan.scenario.topic,
                "json_schema": {
                    "type": "string",
                    "enum": None,
                    "is_system_provided": False,
                    "dynamic_variable": "",
                    "constant_value": "",
                },
                "rationale": "The caller said so.",
            },
            "party_size": {
                "data_collection_id": "party_size",
                "value": party_size,
                "json_schema": None,
                "rationale": "",
            },
        },
        "call_successful": plan.outcome,
        "transcript_summary": _write_summary(plan, stored),
        "call_summary_title": plan.scenario.title,
    }


def _build_client_data(plan: ConversationPlan, user_id: str) -> JSON:
    return {
        "conversation_config_override": {
            "turn": None,
            "tts": {"voice_id": "voice_1", "stability": 0.5, "speed": 1, "similarity_boost": None},
            "conversation": {"text_only": plan.text_only},
            "agent": {
                "first_message": GREETINGS[plan.scenario.language],
                "language": plan.scenario.language,
                "prompt": {"prompt": None, "llm": plan.rng.choice(LLMS), "native_mcp_server_ids": None},
            },
        },
        "custom_llm_extra_body": {},
        "user_id": user_id,
        "start_procedure_ids": list(plan.procedure_ids),
        "source_info": {"source": plan.source, "version": "1.4.2"},
        "dynamic_variables": {
            "customer": user_id,
            "visits": plan.rng.randrange(20),
            "balance": 12.5,
            "vip": plan.rng.random() < 0.1,  # noqa: PLR2004
            "note": None,
        },
    }
