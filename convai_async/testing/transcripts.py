"""Generates transcripts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from convai_async.testing.plans import AGENTS, SECONDS_PER_TURN
from convai_async.testing.scenarios import FILLERS, GREETINGS
from convai_async.testing.tools import SYSTEM_RESULTS, VARIANTS, add_tool_id, build_call, build_system_result

if TYPE_CHECKING:
    import random

    from convai_async.testing.plans import ConversationPlan, StoredConversation

JSON = dict[str, Any]

LLMS = ("gpt-4o-mini", "gemini-2.5-flash", "claude-haiku-4-5")


def build_transcript(stored: StoredConversation, plan: ConversationPlan, *, quirks: bool) -> list[JSON]:
    """Build the turns of a conversation with their tool calls."""
    turns = [_build_turn("agent", GREETINGS[plan.scenario.language], 0, plan)]
    exchanges = list(plan.scenario.exchanges)
    fillers = list(FILLERS[plan.scenario.language])
    plan.rng.shuffle(fillers)
    for filler in itertools.cycle(fillers):
        if len(exchanges) * 2 >= plan.turns - 2:
            break
        exchanges.insert(plan.rng.randrange(1, len(exchanges)), filler)
    for number, (said, answered) in enumerate(exchanges):
        at = (2 * number + 1) * SECONDS_PER_TURN
        turns += [_build_turn("user", said, at, plan), _build_turn("agent", answered, at + SECONDS_PER_TURN, plan)]
    turns = turns[: plan.turns - 1]
    _use_tools(turns, stored, plan)
    turns.append(_build_last_turn(stored, plan))
    _name_agents(turns, stored, plan)
    if plan.guardrail is not None:
        turns[2]["triggered_guardrails"] = [plan.guardrail]
    if quirks:
        _add_quirks(turns, plan.rng)
    return turns


def _use_tools(turns: list[JSON], stored: StoredConversation, plan: ConversationPlan) -> None:
    # Consecutive conversations use different tools, so that a small corpus has all of them.
    for number, turn in enumerate(turns[2::8]):
        request_id = f"req_{stored.number}_{number}"
        make = VARIANTS[(stored.number + number) % len(VARIANTS)]
        kind, result, details = make(request_id, plan.scenario.tool, plan.rng)
        call = build_call(request_id, plan.scenario.tool, kind, details)
        if number == 0 and stored.number % 9 == 4:  # noqa: PLR2004 - some tool calls were never run
            call["tool_has_been_called"] = result["tool_has_been_called"] = False
            result["is_error"] = True
        add_tool_id(call, result)
        turn["tool_calls"] = [call]
        turn["tool_results"] = [result]


def _name_agents(turns: list[JSON], stored: StoredConversation, plan: ConversationPlan) -> None:
    """Set the agent and the workflow node of each turn of an agent."""
    for number, turn in enumerate(turns):
        if turn["role"] != "agent":
            continue
        transferred = plan.transferred_to is not None and number > len(turns) // 2
        agent = plan.transferred_to if transferred else stored.agent
        node = "node_greeting" if number == 0 else "node_help"
        turn["agent_metadata"] = {
            "agent_id": AGENTS[agent or 0][0],
            "branch_id": f"agtbrch_{agent}_main" if transferred else plan.branch_id,
            "workflow_node_id": node if plan.with_workflow else None,
            "version_id": f"agtvrsn_{agent}_1" if transferred else plan.version_id,
        }


def _build_turn(role: str, message: str, at: int, plan: ConversationPlan) -> JSON:
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
        "conversation_turn_metrics": {"metrics": _build_metrics(rng)} if agent else None,
        "rag_retrieval_info": _build_rag_info(rng, message) if agent and rng.random() < 0.15 else None,  # noqa: PLR2004
        "llm_usage": build_llm_usage(rng) if agent else None,
        "interrupted": agent and rng.random() < 0.1,  # noqa: PLR2004
        "original_message": None,
        "source_medium": None if agent else "text" if plan.text_only else "audio",
    }


def _build_last_turn(stored: StoredConversation, plan: ConversationPlan) -> JSON:
    turn = _build_turn("agent", "", plan.turns * SECONDS_PER_TURN, plan)
    result = SYSTEM_RESULTS[stored.number % len(SYSTEM_RESULTS)]
    request_id = f"req_{stored.number}_end"
    name = str(result["result_type"]).removesuffix("_success").removesuffix("_error")
    turn["message"] = None
    turn["tool_calls"] = [build_call(request_id, name, {"type": "system"}, None)]
    turn["tool_results"] = [build_system_result(request_id, name, result)]
    add_tool_id(turn["tool_calls"][0], turn["tool_results"][0])
    return turn


def _add_quirks(turns: list[JSON], rng: random.Random) -> None:
    older = rng.random() < 0.05  # noqa: PLR2004
    for turn in turns:
        if not turn["tool_calls"] and rng.random() < 0.5:  # noqa: PLR2004
            turn["tool_calls"] = turn["tool_results"] = None
        metrics = turn["conversation_turn_metrics"]
        if older and metrics is not None:
            turn["conversation_turn_metrics"] = metrics["metrics"]


def _build_metrics(rng: random.Random) -> JSON:
    names = ("convai_llm_service_ttfb", "convai_llm_service_ttf_sentence", "convai_tts_service_ttfb")
    return {name: {"elapsed_time": round(rng.uniform(0.1, 1.5), 6)} for name in names}


def _build_rag_info(rng: random.Random, query: str) -> JSON:
    return {
        "chunks": [
            {"document_id": f"doc_{n}", "chunk_id": f"chunk_{n}", "vector_distance": round(rng.random(), 6)}
            for n in range(3)
        ],
        "embedding_model": "e5_mistral_7b_instruct",
        "retrieval_query": query,
        "rag_latency_secs": round(rng.uniform(0.05, 0.4), 4),
    }


def build_llm_usage(rng: random.Random) -> JSON:
    """Build the token usage of a language model."""

    def tokens(most: int) -> JSON:
        count = rng.randrange(most)
        return {"tokens": count, "price": round(count * 1.5e-7, 9) if count else 0}

    return {
        "model_usage": {
            rng.choice(LLMS): {
                "input": tokens(3000),
                "input_cache_read": tokens(2000),
                "input_cache_write": {"tokens": 0, "price": 0},
                "output_total": tokens(200),
            }
        }
    }
