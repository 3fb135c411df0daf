"""Conversations of a test's own: what it gives, completed to documents like the service's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

JSON = dict[str, Any]
Transcript = Sequence[tuple[str, str | None] | Mapping[str, Any]]
"""What was said: pairs of a role, ``"user"`` or ``"agent"``, and a text, or turns as the service has them."""

_SECONDS_PER_TURN = 6
_ROLES = frozenset({"user", "agent"})


def read_transcript(transcript: Transcript, agent_id: str) -> list[JSON]:
    """Return the turns of a transcript, with a default for every field that was not given.

    Raises:
        ValueError: A turn has no role, or one that the service does not know.
    """
    return [_read_turn(turn, number, agent_id) for number, turn in enumerate(transcript)]


def _read_turn(turn: tuple[str, str | None] | Mapping[str, Any], number: int, agent_id: str) -> JSON:
    if not isinstance(turn, Mapping):
        if isinstance(turn, str) or len(turn) != 2:  # noqa: PLR2004
            raise ValueError(
                f"turn {number} of the transcript is {turn!r}: give a pair of a role and a text, or a dict"
            )
        turn = dict(zip(("role", "message"), turn, strict=True))
    given = dict(turn)
    if given.get("role") not in _ROLES:
        raise ValueError(f"turn {number} of the transcript needs a role, 'user' or 'agent', not {given.get('role')!r}")
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


def complete(document: JSON, given: JSON) -> JSON:
    """Return a document with what was given in place of what was made up."""
    if "transcript" in given:
        document |= _told_by(given["transcript"])
        document["metadata"]["call_duration_secs"] = _duration(given["transcript"])
        if document["analysis"] is not None:
            document["analysis"] |= {"evaluation_criteria_results": {}, "data_collection_results": {}}
            document["analysis"] |= _gist(given["transcript"])
    elif "agent_id" in given:
        _rename_agent(document, given["agent_id"])
    if document["status"] != "done":
        given = given | {"analysis": None}
    return _merged(document, given)


def _rename_agent(document: JSON, agent_id: str) -> None:
    for agent in [turn["agent_metadata"] for turn in document["transcript"]] + document["visited_agents"]:
        if agent is not None:
            agent["agent_id"] = agent_id


def _told_by(transcript: list[JSON]) -> JSON:
    agents = [turn["agent_metadata"] for turn in transcript if turn["agent_metadata"]]
    visited = {(agent["agent_id"], agent.get("branch_id")): None for agent in agents}
    return {
        "user_message_count": _messages(transcript, "user"),
        "agent_message_count": _messages(transcript, "agent"),
        "visited_agents": [{"agent_id": agent_id, "branch_id": branch_id} for agent_id, branch_id in visited],
    }


def _messages(transcript: list[JSON], role: str) -> int:
    return sum(bool(turn["message"]) for turn in transcript if turn["role"] == role)


def _duration(transcript: list[JSON]) -> int:
    return int(transcript[-1]["time_in_call_secs"]) + _SECONDS_PER_TURN if transcript else 0


def _gist(transcript: list[JSON]) -> JSON:
    said = next((turn["message"] for turn in transcript if turn["role"] == "user" and turn["message"]), "Nothing")
    return {"call_summary_title": said[:60], "transcript_summary": f"The user said: {said}"}


def _merged(document: JSON, given: Mapping[str, Any]) -> JSON:
    merged = dict(document)
    for name, value in given.items():
        old = document.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def summarize(details: JSON, *, with_text: bool) -> JSON:
    """Return the line in the list of a conversation."""
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
