"""Completes the conversations that tests add to documents like those of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

JSON = dict[str, Any]
Transcript = Sequence[tuple[str, str | None] | Mapping[str, Any]]
"""The turns of a conversation: ``(role, text)`` pairs, or dicts in the service's form."""

_SECONDS_PER_TURN = 6
_ROLES = frozenset({"user", "agent"})


def read_transcript(transcript: Transcript, agent_id: str) -> list[JSON]:
    """Return the turns as JSON, with defaults for the fields that were not given.

    Raises:
        ValueError: A turn is not a pair or a dict, or its role is invalid.
    """
    return [complete_turn(turn, number, agent_id) for number, turn in enumerate(transcript)]


def complete_turn(turn: tuple[str, str | None] | Mapping[str, Any], number: int, agent_id: str) -> JSON:
    """Return a turn as JSON, with defaults for the fields that were not given.

    Args:
        turn: The turn.
        number: Its index in the transcript.
        agent_id: The agent.

    Raises:
        ValueError: It is not a pair or a dict, or its role is invalid.
    """
    if not isinstance(turn, Mapping):
        if isinstance(turn, str) or len(turn) != 2:  # noqa: PLR2004
            raise ValueError(f"transcript[{number}] must be a (role, text) pair or a dict, got {turn!r}")
        turn = dict(zip(("role", "message"), turn, strict=True))
    given = dict(turn)
    if given.get("role") not in _ROLES:
        raise ValueError(f"transcript[{number}]: role must be 'user' or 'agent', got {given.get('role')!r}")
    agent = given["role"] == "agent"
    return {
        "agent_metadata": {"agent_id": agent_id, "branch_id": None, "workflow_node_id": None} if agent else None,
        "message": None,
        "tool_calls": [],
        "tool_results": [],
        "feedback": None,
        "llm_override": None,
        "time_in_call_secs": number * _SECONDS_PER_TURN,
        "conversation_turn_metrics": None,
        "rag_retrieval_info": None,
        "llm_usage": None,
        "interrupted": False,
        "original_message": None,
        "source_medium": None if agent else "audio",
    } | given


def complete_document(document: JSON, given: JSON) -> JSON:
    """Replace the fields of a generated document with those that a test gave."""
    if "transcript" in given:
        document |= _count_messages(given["transcript"])
        document["metadata"]["call_duration_secs"] = _compute_duration(given["transcript"])
        if document["analysis"] is not None:
            document["analysis"] |= {"evaluation_criteria_results": {}, "data_collection_results": {}}
            document["analysis"] |= _write_summary(given["transcript"])
    elif "agent_id" in given:
        _rename_agent(document, given["agent_id"])
    if document["status"] != "done":
        given = given | {"analysis": None}
    return _merge(document, given)


def _rename_agent(document: JSON, agent_id: str) -> None:
    for agent in [turn["agent_metadata"] for turn in document["transcript"]] + document["visited_agents"]:
        if agent is not None:
            agent["agent_id"] = agent_id


def _count_messages(transcript: list[JSON]) -> JSON:
    agents = [turn["agent_metadata"] for turn in transcript if turn["agent_metadata"]]
    visited = {(agent["agent_id"], agent.get("branch_id")): None for agent in agents}
    return {
        "user_message_count": _count_role(transcript, "user"),
        "agent_message_count": _count_role(transcript, "agent"),
        "visited_agents": [{"agent_id": agent_id, "branch_id": branch_id} for agent_id, branch_id in visited],
    }


def _count_role(transcript: list[JSON], role: str) -> int:
    return sum(bool(turn["message"]) for turn in transcript if turn["role"] == role)


def _compute_duration(transcript: list[JSON]) -> int:
    return int(transcript[-1]["time_in_call_secs"]) + _SECONDS_PER_TURN if transcript else 0


def _write_summary(transcript: list[JSON]) -> JSON:
    first = next((turn["message"] for turn in transcript if turn["role"] == "user" and turn["message"]), "Nothing")
    return {"call_summary_title": first[:60], "transcript_summary": f"The user said: {first}"}


def _merge(document: JSON, given: Mapping[str, Any]) -> JSON:
    merged = dict(document)
    for name, value in given.items():
        old = document.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def build_summary(details: JSON, *, with_text: bool) -> JSON:
    """Build the list item of a conversation from its details."""
    metadata, analysis = details["metadata"], details["analysis"] or {}
    users, agents = details["user_message_count"], details["agent_message_count"]
    shared = ("agent_id", "branch_id", "version_id", "agent_name", "conversation_id", "status", "tag_ids")
    of_metadata = ("start_time_unix_secs", "cost", "termination_reason", "main_language")
    return (
        {name: details[name] for name in shared}
        | {name: metadata[name] for name in of_metadata}
        | {
            "call_duration_secs": int(metadata["call_duration_secs"]),
            "conversation_initiation_source": metadata["conversation_initiation_source"],
            "message_count": users + agents,
            "user_message_count": users,
            "agent_message_count": agents,
            "call_successful": analysis.get("call_successful", "unknown"),
            "transcript_summary": analysis.get("transcript_summary") if with_text else None,
            "call_summary_title": analysis.get("call_summary_title"),
            "direction": (metadata["phone_call"] or {}).get("direction"),
            "rating": (metadata["feedback"] or {}).get("rating"),
        }
    )
