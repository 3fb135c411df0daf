"""Topics of the conversations of an agent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from convai_async.testing.cursors import NUMBER
from convai_async.testing.parameters import boolean, integer, one_of
from convai_async.testing.plans import TOPICS
from convai_async.testing.responses import invalid, page_response
from convai_async.testing.routes import route

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from convai_async.testing.state import State

JSON = dict[str, Any]

_SECONDS_PER_DAY = 86_400


@route(
    "GET",
    "/agents/{agent_id}/topics",
    page_size=integer(1, 100, default=30),
    cursor=NUMBER,
    sort_by=one_of("conversations", "sentiment", "success_rate", "frustration", default="conversations"),
    sort_direction=one_of("asc", "desc", default="desc"),
    from_unix_secs=integer(0),
    to_unix_secs=integer(0),
    include_evaluation_criteria=boolean(default=True),
)
async def get_agent_topics(state: State, request: web.Request, query: JSON) -> web.StreamResponse:
    """List the topics of an agent's conversations in a time window, by default the last day."""
    agent_id = state.check_agent(request.match_info["agent_id"])
    first, last = _read_window(state, query)
    found = state.corpus.candidates(
        {"agent_id": agent_id, "call_start_after_unix": first, "call_start_before_unix": last}
    )
    counts = Counter(topic for candidate in found for topic in candidate.topic_ids)
    topics = [_build_topic(number, label, counts[f"topic_{number}"]) for number, label in enumerate(TOPICS)]
    topics.sort(key=_SORT_KEYS[query["sort_by"]], reverse=query["sort_direction"] == "desc")
    if not query["include_evaluation_criteria"]:
        for topic in topics:
            topic["metrics"]["evaluation_criteria"] = []
    return page_response(
        "topics",
        topics,
        query,
        window_start_unix_secs=first,
        window_end_unix_secs=last,
        aggregated_run_count=-(-(last - first) // _SECONDS_PER_DAY),
    )


def _read_window(state: State, query: JSON) -> tuple[int, int]:
    """Return the bounds of the window, which starts at midnight UTC because topics are computed for whole days."""
    newest = next(iter(state.corpus), None)
    last = query["to_unix_secs"]
    if last is None:
        last = 0 if newest is None else state.corpus[newest].start
    first = query["from_unix_secs"]
    if first is None:
        first = max(0, last - 1)
    if first > last:
        raise invalid(("query", "from_unix_secs"), "Input should not be later than to_unix_secs")
    return first - first % _SECONDS_PER_DAY, last


_SORT_KEYS: dict[str, Callable[[JSON], float]] = {
    "conversations": lambda topic: topic["conversation_count"],
    "sentiment": lambda topic: topic["metrics"]["sentiment"]["sentiment"]["sum"],
    "frustration": lambda topic: topic["metrics"]["sentiment"]["frustration"]["sum"],
    "success_rate": lambda topic: topic["success_rate"],
}


def _build_topic(number: int, label: str, conversations: int) -> JSON:
    def build_stats(mean: float) -> JSON:
        return {"count": 10, "sum": round(10 * mean, 1), "min": -1, "max": 1.0}

    successes = 5 + number
    return {
        "topic_id": f"topic_{number}",
        "label": label,
        "description": f"Calls about {label}.",
        "conversation_count": conversations,
        "parent_topic_id": None,
        "x_2d": number / 10,
        "y_2d": -number,
        "metrics": {
            "conversation_count": conversations,
            "sentiment": {
                "sentiment": build_stats(0.9 - number / 5),
                "frustration": build_stats(number / 10),
                "positive_count": 10 - number,
            },
            "evaluation_criteria": [
                {"criteria_id": "solved", "success_count": successes, "failure_count": 12 - successes}
            ],
        },
        "success_rate": round(successes / 12, 3),
    }
