"""Made-up conversations, in full and in short, each made anew from its number whenever it is asked for."""

from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec

from convai_async.testing.scenarios import FILLERS, GREETINGS, SCENARIOS, Scenario
from convai_async.testing.tool_variants import SYSTEM_RESULTS, VARIANTS, call_of, system_result

JSON = dict[str, Any]

AGENTS = (
    ("agent_front_desk", "Front desk"),
    ("agent_billing", "Billing"),
    ("agent_night_shift", "Night shift"),
)
_LLMS = ("gpt-4o-mini", "gemini-2.5-flash", "claude-haiku-4-5")
_OUTCOMES = ("success", "success", "success", "success", "failure", "unknown")
_SOURCES = ("widget", "twilio", "sip_trunk", "react_sdk", "python_sdk", "whatsapp")
_SECONDS_PER_TURN = 6


class Record(msgspec.Struct):
    """What the fake service remembers of a conversation; the rest is made from it.

    Attributes:
        number: Which one it is; with the seed it decides everything that was said.
        conversation_id: Its id.
        start: When it started, in unix seconds.
        status: As the service names it.
        agent: The index of its agent.
        revision: How often it was analysed anew.
        feedback: The rating that was sent: ``"like"``, ``"dislike"`` or None.
        tag_ids: Its tags.
    """

    number: int
    conversation_id: str
    start: int
    status: str
    agent: int
    revision: int = 0
    feedback: str | None = None
    tag_ids: list[str] = msgspec.field(default_factory=list)


class _Plan(msgspec.Struct):
    """What both the summary and the details must agree on."""

    rng: random.Random
    scenario: Scenario
    turns: int
    duration: int
    outcome: str
    source: str
    rating: int | None

    @property
    def direction(self) -> str | None:
        return {"twilio": "inbound", "sip_trunk": "outbound"}.get(self.source)


class Documents:
    """Writes the documents of a service.

    Args:
        seed: Decides every word.
        oddities: Whether documents have the oddities that the real service's have: nulls for lists, integers as
            ``1.0``, an older shape of metrics.
    """

    def __init__(self, seed: int, *, oddities: bool) -> None:
        self._seed = seed
        self._oddities = oddities

    def _plan(self, record: Record) -> _Plan:
        rng = random.Random(f"{self._seed}/{record.number}")  # noqa: S311 - made-up data
        scenario = rng.choice(SCENARIOS)
        turns = 2 * rng.randint(5, 30) if record.status != "failed" else 2
        outcome = rng.choice(_OUTCOMES) if record.status == "done" else "unknown"
        if record.revision:
            outcome = "success" if outcome != "success" else "failure"
        return _Plan(
            rng=rng,
            scenario=scenario,
            turns=turns,
            duration=turns * _SECONDS_PER_TURN + rng.randint(0, 20),
            outcome=outcome,
            source=rng.choice(_SOURCES),
            rating=rng.choice((None, None, 1, 3, 4, 5)),
        )

    def summary(self, record: Record, *, with_text: bool) -> JSON:
        """Return a conversation's line in the list."""
        plan = self._plan(record)
        agent_id, agent_name = AGENTS[record.agent]
        return {
            "agent_id": agent_id,
            "branch_id": None,
            "agent_name": agent_name,
            "conversation_id": record.conversation_id,
            "start_time_unix_secs": record.start,
            "call_duration_secs": plan.duration,
            "message_count": plan.turns,
            "status": record.status,
            "call_successful": plan.outcome,
            "transcript_summary": plan.scenario.summary if with_text else None,
            "call_summary_title": plan.scenario.title,
            "direction": plan.direction,
            "rating": plan.rating,
            "main_language": plan.scenario.language,
            "tag_ids": record.tag_ids,
        }

    def details(self, record: Record) -> JSON:
        """Return a conversation in full."""
        plan = self._plan(record)
        done = record.status == "done"
        user_id = f"user_{plan.rng.randrange(50)}"
        return {
            "agent_id": AGENTS[record.agent][0],
            "conversation_id": record.conversation_id,
            "status": record.status,
            "user_id": user_id,
            "branch_id": None,
            "transcript": self._transcript(record, plan),
            "metadata": self._metadata(record, plan),
            "analysis": _analysis(plan, record.revision) if done else None,
            "conversation_initiation_client_data": _initiation(plan, user_id),
            "has_audio": has_audio(record),
            "has_user_audio": has_audio(record),
            "has_response_audio": has_audio(record),
            "tag_ids": record.tag_ids,
        }

    def _transcript(self, record: Record, plan: _Plan) -> list[JSON]:
        turns = [_turn("agent", GREETINGS[plan.scenario.language], 0, plan)]
        exchanges = list(plan.scenario.exchanges)
        fillers = list(FILLERS[plan.scenario.language])
        plan.rng.shuffle(fillers)
        for filler in itertools.cycle(fillers):
            if len(exchanges) * 2 >= plan.turns - 2:
                break
            exchanges.insert(plan.rng.randrange(1, len(exchanges)), filler)
        for number, (said, answered) in enumerate(exchanges):
            at = (2 * number + 1) * _SECONDS_PER_TURN
            turns += [_turn("user", said, at, plan), _turn("agent", answered, at + _SECONDS_PER_TURN, plan)]
        turns = turns[: plan.turns - 1]
        self._use_tools(turns, record, plan)
        turns.append(_goodbye(record, plan))
        if self._oddities:
            _make_odd(turns, plan.rng)
        return turns

    def _use_tools(self, turns: list[JSON], record: Record, plan: _Plan) -> None:
        # Neighbours use different tools, so that a small corpus has all of them.
        for number, turn in enumerate(turns[2::8]):
            request_id = f"req_{record.number}_{number}"
            make = VARIANTS[(record.number + number) % len(VARIANTS)]
            kind, result, details = make(request_id, plan.scenario.tool, plan.rng)
            turn["tool_calls"] = [call_of(request_id, plan.scenario.tool, kind, details)]
            turn["tool_results"] = [result]

    def _metadata(self, record: Record, plan: _Plan) -> JSON:
        rng = plan.rng
        duration: int | float = float(plan.duration) if self._oddities and record.number % 9 == 0 else plan.duration
        return {
            "start_time_unix_secs": record.start,
            "accepted_time_unix_secs": record.start + 1,
            "call_duration_secs": duration,
            "cost": plan.duration * 3,
            "deletion_settings": {
                "deletion_time_unix_secs": record.start + 730 * 86_400,
                "deleted_logs_at_time_unix_secs": None,
                "deleted_audio_at_time_unix_secs": None,
                "deleted_transcript_at_time_unix_secs": None,
                "delete_transcript_and_pii": True,
                "delete_audio": True,
            },
            "feedback": {
                "type": "rating" if plan.rating else "thumbs" if record.feedback else None,
                "overall_score": record.feedback,
                "likes": int(record.feedback == "like"),
                "dislikes": int(record.feedback == "dislike"),
                "rating": plan.rating,
                "comment": "Quick and friendly." if plan.rating == 5 else None,  # noqa: PLR2004 - five stars
            },
            "authorization_method": "signed_url",
            "charging": {
                "dev_discount": False,
                "is_burst": False,
                "tier": "pro",
                "llm_usage": {
                    "irreversible_generation": _llm_usage(rng),
                    "initiated_generation": _llm_usage(rng),
                },
                "llm_price": 0.0123,
                "llm_charge": 12,
                "call_charge": plan.duration,
                "free_minutes_consumed": 0,
                "free_llm_dollars_consumed": 0,
            },
            "phone_call": _phone_call(plan, record),
            "batch_call": {"batch_call_id": "batch_1", "batch_call_recipient_id": f"recipient_{record.number}"}
            if plan.direction == "outbound"
            else None,
            "termination_reason": "end_call tool was called" if record.status == "done" else "",
            "error": {"code": 1008, "reason": "The line dropped."} if record.status == "failed" else None,
            "warnings": [],
            "main_language": plan.scenario.language,
            "rag_usage": {"usage_count": 2, "embedding_model": "e5_mistral_7b_instruct"},
            "text_only": False,
            "features_usage": _features(),
            "eleven_assistant": {"is_eleven_assistant": False},
            "initiator_id": None,
            "conversation_initiation_source": plan.source,
            "conversation_initiation_source_version": "1.4.2",
            "timezone": None,
            "initiation_trigger": {"trigger_type": "zendesk", "ticket_id": record.number}
            if record.number % 10 == 0
            else {"trigger_type": "default"},
            "async_metadata": {
                "delivery_status": "success",
                "delivery_timestamp": record.start + plan.duration,
                "delivery_error": None,
                "external_system": "tickets",
                "external_id": str(record.number),
                "retry_count": 0,
                "last_retry_timestamp": None,
            }
            if record.number % 10 == 0
            else None,
            "whatsapp": {
                "direction": "inbound",
                "whatsapp_business_account_id": "wa_1",
                "whatsapp_user_id": "wa_user_1",
            }
            if plan.source == "whatsapp"
            else None,
            "agent_created_from": "ui",
            "agent_last_updated_from": "api",
        }


def has_audio(record: Record) -> bool:
    """Tell whether a conversation has a recording: all but a few of those that are over."""
    return record.status == "done" and record.number % 8 != 0


def _turn(role: str, message: str, at: int, plan: _Plan) -> JSON:
    agent = role == "agent"
    rng = plan.rng
    return {
        "role": role,
        "agent_metadata": {"agent_id": AGENTS[0][0], "branch_id": None, "workflow_node_id": None} if agent else None,
        "message": message,
        "multivoice_message": {"parts": [{"text": message, "voice_label": "calm", "time_in_call_secs": at}]}
        if agent and at == 0
        else None,
        "tool_calls": [],
        "tool_results": [],
        "feedback": {"score": "like", "time_in_call_secs": at} if agent and rng.random() < 0.05 else None,  # noqa: PLR2004
        "llm_override": None,
        "time_in_call_secs": at,
        "conversation_turn_metrics": {"metrics": _metrics(rng)} if agent else None,
        "rag_retrieval_info": _rag(rng, message) if agent and rng.random() < 0.15 else None,  # noqa: PLR2004
        "llm_usage": _llm_usage(rng) if agent else None,
        "interrupted": agent and rng.random() < 0.1,  # noqa: PLR2004
        "original_message": None,
        "source_medium": None if agent else "audio",
    }


def _goodbye(record: Record, plan: _Plan) -> JSON:
    turn = _turn("agent", "", plan.turns * _SECONDS_PER_TURN, plan)
    result = SYSTEM_RESULTS[record.number % len(SYSTEM_RESULTS)]
    request_id = f"req_{record.number}_end"
    name = str(result["result_type"]).removesuffix("_success").removesuffix("_error")
    turn["message"] = None
    turn["tool_calls"] = [call_of(request_id, name, {"type": "system"}, None)]
    turn["tool_results"] = [system_result(request_id, name, result)]
    return turn


def _make_odd(turns: list[JSON], rng: random.Random) -> None:
    older = rng.random() < 0.05  # noqa: PLR2004
    for turn in turns:
        if not turn["tool_calls"] and rng.random() < 0.5:  # noqa: PLR2004
            turn["tool_calls"] = turn["tool_results"] = None
        metrics = turn["conversation_turn_metrics"]
        if older and metrics is not None:
            turn["conversation_turn_metrics"] = metrics["metrics"]


def _metrics(rng: random.Random) -> JSON:
    names = ("convai_llm_service_ttfb", "convai_llm_service_ttf_sentence", "convai_tts_service_ttfb")
    return {name: {"elapsed_time": round(rng.uniform(0.1, 1.5), 6)} for name in names}


def _rag(rng: random.Random, query: str) -> JSON:
    return {
        "chunks": [
            {"document_id": f"doc_{n}", "chunk_id": f"chunk_{n}", "vector_distance": round(rng.random(), 6)}
            for n in range(3)
        ],
        "embedding_model": "e5_mistral_7b_instruct",
        "retrieval_query": query,
        "rag_latency_secs": round(rng.uniform(0.05, 0.4), 4),
    }


def _llm_usage(rng: random.Random) -> JSON:
    def tokens(most: int) -> JSON:
        count = rng.randrange(most)
        return {"tokens": count, "price": round(count * 1.5e-7, 9) if count else 0}

    return {
        "model_usage": {
            rng.choice(_LLMS): {
                "input": tokens(3000),
                "input_cache_read": tokens(2000),
                "input_cache_write": {"tokens": 0, "price": 0},
                "output_total": tokens(200),
            }
        }
    }


def _phone_call(plan: _Plan, record: Record) -> JSON | None:
    if plan.direction is None:
        return None
    call = {
        "direction": plan.direction,
        "phone_number_id": "phnum_1",
        "agent_number": "+15550199",
        "external_number": f"+1555{record.number % 10_000:04}",
        "call_sid": f"CA{record.number:08}",
    }
    if plan.source == "twilio":
        return call | {"type": "twilio", "stream_sid": f"MZ{record.number:08}"}
    return call | {"type": "sip_trunking"}


def _features() -> JSON:
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


def _analysis(plan: _Plan, revision: int) -> JSON:
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
            "party_size": {"data_collection_id": "party_size", "value": None, "json_schema": None, "rationale": ""},
        },
        "call_successful": plan.outcome,
        "transcript_summary": plan.scenario.summary + (f" (analysed again, {revision})" if revision else ""),
        "call_summary_title": plan.scenario.title,
    }


def _initiation(plan: _Plan, user_id: str) -> JSON:
    return {
        "conversation_config_override": {
            "turn": None,
            "tts": {"voice_id": "voice_1", "stability": 0.5, "speed": 1, "similarity_boost": None},
            "conversation": {"text_only": False},
            "agent": {
                "first_message": GREETINGS[plan.scenario.language],
                "language": plan.scenario.language,
                "prompt": {"prompt": None, "llm": plan.rng.choice(_LLMS), "native_mcp_server_ids": None},
            },
        },
        "custom_llm_extra_body": {},
        "user_id": user_id,
        "source_info": {"source": plan.source, "version": "1.4.2"},
        "dynamic_variables": {
            "customer": user_id,
            "visits": plan.rng.randrange(20),
            "balance": 12.5,
            "vip": plan.rng.random() < 0.1,  # noqa: PLR2004
            "note": None,
        },
    }
