"""Archives for the tests of reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.archive import Archive
from convai_async.models import Conversation

if TYPE_CHECKING:
    from pathlib import Path

START = 1_790_000_000
"""Monday, 21 September 2026, 14:13:20 UTC."""
DAY = 86_400
HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>{{7*7}}\x1b[31m"
"""Text that would inject markup, a script, an expression of a template, or an escape sequence."""


def build_document(
    conversation_id: str,
    *,
    agent: str = "Billing",
    start: int | None = START,
    seconds: int | None = 60,
    outcome: str | None = "success",
    rating: int | None = None,
    likes: int = 0,
    dislikes: int = 0,
    comment: str | None = None,
    title: str | None = "A title",
    credits_: int | None = 100,
    dollars: float | None = 0.5,
    ending: str | None = "end_call tool was called",
    error: str | None = None,
    language: str | None = "en",
    latency: float = 0.8,
    tool: str = "find_order",
    tool_fails: bool = False,
    criteria: dict[str, str] | None = None,
    collected: dict[str, Any] | None = None,
    model: str = "gpt-4o-mini",
) -> dict[str, Any]:
    """Return the service's document of a conversation."""
    nothing = {"tokens": 0, "price": 0}
    usage = {"input": {"tokens": 1000, "price": 0.01}, "input_cache_read": nothing, "input_cache_write": nothing}
    usage["output_total"] = {"tokens": 50, "price": 0.02}
    charging = {"llm_usage": {"initiated_generation": {"model_usage": {model: usage}}}}
    metrics = {"metrics": {"convai_llm_service_ttfb": {"elapsed_time": latency}}}
    call = {"request_id": "r", "tool_name": tool, "type": "webhook"}
    result = {"result_value": "x", "is_error": tool_fails, "tool_latency_secs": latency, "tool_has_been_called": True}
    return {
        "conversation_id": conversation_id,
        "agent_id": f"agent_{agent}",
        "agent_name": agent,
        "status": "failed" if error else "done",
        "transcript": [
            {"role": "user", "message": "Hello", "time_in_call_secs": 0},
            {
                "role": "agent",
                "message": "Hello!",
                "time_in_call_secs": 1,
                "conversation_turn_metrics": metrics,
                "tool_calls": [{**call, "params_as_json": "{}"}],
                "tool_results": [call | result],
            },
        ],
        "metadata": {
            "start_time_unix_secs": start,
            "call_duration_secs": seconds,
            "cost": credits_,
            "cost_fiat": dollars,
            "main_language": language,
            "termination_reason": ending,
            "error": None if error is None else {"code": 1008, "reason": error},
            "feedback": {"rating": rating, "likes": likes, "dislikes": dislikes, "comment": comment},
            "charging": charging,
        },
        "analysis": {
            "call_successful": outcome,
            "call_summary_title": title,
            "transcript_summary": "A summary.",
            "evaluation_criteria_results": {
                name: {"criteria_id": name, "result": each, "rationale": ""} for name, each in (criteria or {}).items()
            },
            "data_collection_results": {
                name: {"data_collection_id": name, "value": value, "rationale": ""}
                for name, value in (collected or {}).items()
            },
        },
        "conversation_initiation_client_data": {},
    }


def write_archive(path: Path, *documents: dict[str, Any], source: str = "https://api.elevenlabs.io") -> Path:
    """Make an archive of documents."""
    with Archive.open(path, create=True, source=source) as archive:
        for document in documents:
            archive.add(Conversation.from_json(msgspec.json.encode(document)))
    return path
