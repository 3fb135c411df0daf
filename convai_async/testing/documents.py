"""Made-up conversations, in full and in short, each made anew from its number whenever it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async.testing.added import complete, summarize
from convai_async.testing.metadata import metadata_of
from convai_async.testing.records import AGENTS, TOPICS, has_audio, plan_of
from convai_async.testing.scenarios import GREETINGS
from convai_async.testing.transcripts import LLMS, transcript_of

if TYPE_CHECKING:
    from convai_async.testing.records import Plan, Record

__all__ = ["AGENTS", "Documents"]

JSON = dict[str, Any]


class Documents:
    """Writes the documents of a service.

    Args:
        seed: Decides every word.
        quirks: Whether documents have the quirks that the real service's have: nulls for lists, integers as
            ``1.0``, an older shape of metrics.
    """

    def __init__(self, seed: int, *, quirks: bool) -> None:
        self._seed = seed
        self._quirks = quirks

    def topic_ids(self, record: Record) -> set[str]:
        """Return the topics that were discovered in a conversation."""
        if record.topic_ids is not None:
            return set(record.topic_ids)
        return {f"topic_{TOPICS.index(plan_of(record, self._seed).scenario.topic)}"}

    def summary(self, record: Record, *, with_text: bool) -> JSON:
        """Return a conversation's line in the list."""
        if record.given is not None:
            return summarize(self.details(record), with_text=with_text)
        plan = plan_of(record, self._seed)
        agent_id, agent_name = AGENTS[record.agent]
        messages = plan.turns - 1  # the last turn only calls a tool
        return {
            "agent_id": agent_id,
            "branch_id": plan.branch_id,
            "version_id": plan.version_id,
            "agent_name": agent_name,
            "conversation_id": record.conversation_id,
            "start_time_unix_secs": record.start,
            "call_duration_secs": plan.duration,
            "cost": plan.duration * 3,
            "message_count": messages,
            "user_message_count": messages // 2,
            "agent_message_count": messages - messages // 2,
            "status": record.status,
            "termination_reason": plan.termination_reason,
            "call_successful": plan.outcome,
            "transcript_summary": _transcript_summary(plan, record) if with_text else None,
            "call_summary_title": plan.scenario.title if record.status == "done" else None,
            "main_language": plan.scenario.language,
            "conversation_initiation_source": plan.source,
            "direction": plan.direction,
            "rating": plan.rating,
            "tag_ids": record.tag_ids,
        }

    def details(self, record: Record) -> JSON:
        """Return a conversation in full."""
        plan = plan_of(record, self._seed)
        done = record.status == "done"
        user_id = f"user_{plan.rng.randrange(50)}"
        audible = has_audio(record)
        transcript = transcript_of(record, plan, quirks=self._quirks)
        agent_id, agent_name = AGENTS[record.agent]
        document = {
            "agent_id": agent_id,
            "agent_name": agent_name,
            "conversation_product": plan.product,
            "conversation_id": record.conversation_id,
            "status": record.status,
            "user_id": user_id,
            "branch_id": plan.branch_id,
            "version_id": plan.version_id,
            "environment": "production",
            "user_message_count": (plan.turns - 1) // 2,
            "agent_message_count": plan.turns // 2,
            "visited_agents": _visited_agents(transcript),
            "transcript": transcript,
            "metadata": metadata_of(record, plan, quirks=self._quirks),
            "analysis": _analysis(plan, record) if done else None,
            "conversation_initiation_client_data": _initiation(plan, user_id),
            "has_audio": audible,
            "has_user_audio": audible,
            "has_response_audio": audible,
            "has_auxiliary_audio": False,
            "tag_ids": record.tag_ids,
        }
        return document if record.given is None else complete(document, record.given)


def _visited_agents(transcript: list[JSON]) -> list[JSON]:
    visited = [
        {"agent_id": turn["agent_metadata"]["agent_id"], "branch_id": turn["agent_metadata"]["branch_id"]}
        for turn in transcript
        if turn["agent_metadata"]
    ]
    return [each for number, each in enumerate(visited) if each not in visited[:number]]


def _transcript_summary(plan: Plan, record: Record) -> str | None:
    if record.status != "done":
        return None
    return plan.scenario.summary + (f" (analysed again, {record.revision})" if record.revision else "")


def _analysis(plan: Plan, record: Record) -> JSON:
    party_size = 2 + record.number % 7 if plan.scenario.topic == "booking" else None
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
        "transcript_summary": _transcript_summary(plan, record),
        "call_summary_title": plan.scenario.title,
    }


def _initiation(plan: Plan, user_id: str) -> JSON:
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
