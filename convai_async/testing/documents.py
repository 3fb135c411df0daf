"""Made-up conversations, in full and in short, each made anew from its number whenever it is asked for."""

from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec

from convai_async.testing.added import complete, summarize
from convai_async.testing.scenarios import FILLERS, GREETINGS, SCENARIOS, Scenario
from convai_async.testing.tool_variants import SYSTEM_RESULTS, VARIANTS, call_of, system_result, with_tool_id

JSON = dict[str, Any]

AGENTS = (
    ("agent_front_desk", "Front desk"),
    ("agent_billing", "Billing"),
    ("agent_night_shift", "Night shift"),
)
_LLMS = ("gpt-4o-mini", "gemini-2.5-flash", "claude-haiku-4-5")
_OUTCOMES = ("success", "success", "success", "success", "failure", "unknown")
_SOURCES = ("widget", "twilio", "sip_trunk", "react_sdk", "python_sdk", "whatsapp")
_TERMINATIONS = ("end_call tool was called", "Client disconnected: 1000", "Call ended by remote party")
_GUARDRAILS: tuple[JSON, ...] = (
    {
        "guardrail_type": "custom",
        "guardrail_name": "No promises about refunds",
        "execution_mode": "blocking",
        "guardrail_details": {"type": "llm", "rationale": "The agent promised a refund before it found the order."},
    },
    {
        "guardrail_type": "profanity",
        "guardrail_name": None,
        "execution_mode": "streaming",
        "guardrail_details": {"type": "classifier", "score": 0.91, "threshold": 0.8},
    },
)
TOPICS = tuple(sorted({scenario.topic for scenario in SCENARIOS}))
"""What the conversations are about; ``topic_0`` is the first of them."""
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
        parent_id: The conversation that began it, or None.
        done_after: After how many requests for it it is done; None for one that stays as it is.
        given: What a user of the service gave for its documents; None for a made-up one.
        topic_ids: Its topics, if a user gave them.
    """

    number: int
    conversation_id: str
    start: int
    status: str
    agent: int
    revision: int = 0
    feedback: str | None = None
    tag_ids: list[str] = msgspec.field(default_factory=list)
    parent_id: str | None = None
    done_after: int | None = None
    given: JSON | None = None
    topic_ids: tuple[str, ...] | None = None


class _Plan(msgspec.Struct):
    """What both the summary and the details must agree on."""

    rng: random.Random
    scenario: Scenario
    turns: int
    duration: int
    outcome: str
    source: str
    rating: int | None
    termination_reason: str
    branch_id: str
    version_id: str
    text_only: bool = False
    product: str = "agents"
    transferred_to: int | None = None
    with_workflow: bool = False
    guardrail: JSON | None = None
    procedure_ids: tuple[str, ...] = ()

    @property
    def direction(self) -> str | None:
        return {"twilio": "inbound", "sip_trunk": "outbound"}.get(self.source)


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

    def _plan(self, record: Record) -> _Plan:
        rng = random.Random(f"{self._seed}/{record.number}")  # noqa: S311 - made-up data
        scenario = rng.choice(SCENARIOS)
        turns = 2 * rng.randint(5, 30) if record.status != "failed" else 2
        outcome = rng.choice(_OUTCOMES) if record.status == "done" else "unknown"
        if record.given is not None and record.status == "done":
            outcome = "success"
        if record.revision and record.status == "done":
            outcome = "success" if outcome != "success" else "failure"
        traits = _traits(record) if record.given is None else {"rating": None, "source": "widget"}
        made = {
            "rng": rng,
            "scenario": scenario,
            "turns": turns,
            "duration": turns * _SECONDS_PER_TURN + rng.randint(0, 20),
            "outcome": outcome,
            "source": rng.choice(_SOURCES),
            "rating": rng.choice((None, None, 1, 3, 4, 5)),
            "termination_reason": _TERMINATIONS[record.number % 3] if record.status == "done" else "",
            "branch_id": f"agtbrch_{record.agent}_main",
            "version_id": f"agtvrsn_{record.agent}_1",
        }
        return _Plan(**(made | traits))

    def topic_ids(self, record: Record) -> set[str]:
        """Return the topics that were discovered in a conversation."""
        if record.topic_ids is not None:
            return set(record.topic_ids)
        return {f"topic_{TOPICS.index(self._plan(record).scenario.topic)}"}

    def summary(self, record: Record, *, with_text: bool) -> JSON:
        """Return a conversation's line in the list."""
        if record.given is not None:
            return summarize(self.details(record), with_text=with_text)
        plan = self._plan(record)
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
        plan = self._plan(record)
        done = record.status == "done"
        user_id = f"user_{plan.rng.randrange(50)}"
        audible = has_audio(record)
        transcript = self._transcript(record, plan)
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
            "metadata": self._metadata(record, plan),
            "analysis": _analysis(plan, record) if done else None,
            "conversation_initiation_client_data": _initiation(plan, user_id),
            "has_audio": audible,
            "has_user_audio": audible,
            "has_response_audio": audible,
            "has_auxiliary_audio": False,
            "tag_ids": record.tag_ids,
        }
        return document if record.given is None else complete(document, record.given)

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
        _name_agents(turns, record, plan)
        if plan.guardrail is not None:
            turns[2]["triggered_guardrails"] = [plan.guardrail]
        if self._quirks:
            _add_quirks(turns, plan.rng)
        return turns

    def _use_tools(self, turns: list[JSON], record: Record, plan: _Plan) -> None:
        # Neighbours use different tools, so that a small corpus has all of them.
        for number, turn in enumerate(turns[2::8]):
            request_id = f"req_{record.number}_{number}"
            make = VARIANTS[(record.number + number) % len(VARIANTS)]
            kind, result, details = make(request_id, plan.scenario.tool, plan.rng)
            call = call_of(request_id, plan.scenario.tool, kind, details)
            if number == 0 and record.number % 9 == 4:  # noqa: PLR2004 - some calls never ran
                call["tool_has_been_called"] = result["tool_has_been_called"] = False
                result["is_error"] = True
            with_tool_id(call, result)
            turn["tool_calls"] = [call]
            turn["tool_results"] = [result]

    def _metadata(self, record: Record, plan: _Plan) -> JSON:
        rng = plan.rng
        duration: int | float = float(plan.duration) if self._quirks and record.number % 9 == 0 else plan.duration
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
            "termination_reason": plan.termination_reason,
            "error": {"code": 1008, "reason": "The line dropped."} if record.status == "failed" else None,
            "warnings": [],
            "main_language": plan.scenario.language,
            "rag_usage": {"usage_count": 2, "embedding_model": "e5_mistral_7b_instruct"},
            "text_only": plan.text_only,
            "features_usage": _features(),
            "eleven_assistant": {"is_eleven_assistant": False},
            "initiator_id": None,
            "conversation_initiation_source": plan.source,
            "conversation_initiation_source_version": "1.4.2",
            "timezone": None,
            "initiation_trigger": {"trigger_type": "zendesk", "ticket_id": record.number}
            if record.number % 10 == 0
            else {"trigger_type": "default"},
            "async_metadata": _async_metadata(plan, record) if record.number % 10 == 0 else None,
            "whatsapp": {
                "direction": "inbound",
                "whatsapp_business_account_id": "wa_1",
                "whatsapp_phone_number_id": f"wapn_{1 + record.number % 2}",
                "whatsapp_user_id": "wa_user_1",
            }
            if plan.source == "whatsapp"
            else None,
            "agent_created_from": "ui",
            "agent_last_updated_from": "api",
        }


def has_audio(record: Record) -> bool:
    """Tell whether a conversation has a recording: all but a few of those that are over."""
    if record.given is not None:
        return bool(record.given.get("has_audio", record.status == "done"))
    return record.status == "done" and record.number % 8 != 0


def _traits(record: Record) -> JSON:
    """Return what some conversations have and others do not, so that each filter of the list finds some."""
    number = record.number
    return {
        "branch_id": f"agtbrch_{record.agent}_{'beta' if number % 4 == 3 else 'main'}",  # noqa: PLR2004
        "version_id": f"agtvrsn_{record.agent}_{1 + number % 2}",
        "text_only": number % 16 == 0,
        "product": "speech_engine" if number % 11 == 5 else "agents",  # noqa: PLR2004
        "transferred_to": (record.agent + 1) % len(AGENTS) if number % 5 == 2 else None,  # noqa: PLR2004
        "with_workflow": number % 3 == 0,
        "guardrail": _GUARDRAILS[number // 6 % 2] if number % 6 == 1 and record.status != "failed" else None,
        "procedure_ids": ("proc_verify_identity",) if number % 7 == 3 else (),  # noqa: PLR2004
    }


def _name_agents(turns: list[JSON], record: Record, plan: _Plan) -> None:
    """Say in each of the agent's turns which agent spoke, and where in its workflow it was."""
    for number, turn in enumerate(turns):
        if turn["role"] != "agent":
            continue
        transferred = plan.transferred_to is not None and number > len(turns) // 2
        agent = plan.transferred_to if transferred else record.agent
        node = "node_greeting" if number == 0 else "node_help"
        turn["agent_metadata"] = {
            "agent_id": AGENTS[agent or 0][0],
            "branch_id": f"agtbrch_{agent}_main" if transferred else plan.branch_id,
            "workflow_node_id": node if plan.with_workflow else None,
            "version_id": f"agtvrsn_{agent}_1" if transferred else plan.version_id,
        }


def _visited_agents(transcript: list[JSON]) -> list[JSON]:
    visited = [
        {"agent_id": turn["agent_metadata"]["agent_id"], "branch_id": turn["agent_metadata"]["branch_id"]}
        for turn in transcript
        if turn["agent_metadata"]
    ]
    return [each for number, each in enumerate(visited) if each not in visited[:number]]


def _async_metadata(plan: _Plan, record: Record) -> JSON:
    number = record.number
    system, link = (
        ("slack", f"https://example.slack.com/archives/C{number:08}/p{record.start}")
        if number % 20 == 0
        else ("zendesk", f"https://example.zendesk.com/agent/tickets/{number}")
    )
    return {
        "delivery_status": "success",
        "delivery_timestamp": record.start + plan.duration,
        "delivery_error": None,
        "external_system": system,
        "external_id": str(number),
        "external_link": link,
        "retry_count": 0,
        "last_retry_timestamp": None,
    }


def _turn(role: str, message: str, at: int, plan: _Plan) -> JSON:
    agent = role == "agent"
    rng = plan.rng
    return {
        "role": role,
        "agent_metadata": None,
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
        "source_medium": None if agent else "text" if plan.text_only else "audio",
    }


def _goodbye(record: Record, plan: _Plan) -> JSON:
    turn = _turn("agent", "", plan.turns * _SECONDS_PER_TURN, plan)
    result = SYSTEM_RESULTS[record.number % len(SYSTEM_RESULTS)]
    request_id = f"req_{record.number}_end"
    name = str(result["result_type"]).removesuffix("_success").removesuffix("_error")
    turn["message"] = None
    turn["tool_calls"] = [call_of(request_id, name, {"type": "system"}, None)]
    turn["tool_results"] = [system_result(request_id, name, result)]
    with_tool_id(turn["tool_calls"][0], turn["tool_results"][0])
    return turn


def _add_quirks(turns: list[JSON], rng: random.Random) -> None:
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
        "phone_number_id": f"phnum_{1 + record.number % 2}",
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


def _transcript_summary(plan: _Plan, record: Record) -> str | None:
    if record.status != "done":
        return None
    return plan.scenario.summary + (f" (analysed again, {record.revision})" if record.revision else "")


def _analysis(plan: _Plan, record: Record) -> JSON:
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


def _initiation(plan: _Plan, user_id: str) -> JSON:
    return {
        "conversation_config_override": {
            "turn": None,
            "tts": {"voice_id": "voice_1", "stability": 0.5, "speed": 1, "similarity_boost": None},
            "conversation": {"text_only": plan.text_only},
            "agent": {
                "first_message": GREETINGS[plan.scenario.language],
                "language": plan.scenario.language,
                "prompt": {"prompt": None, "llm": plan.rng.choice(_LLMS), "native_mcp_server_ids": None},
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
