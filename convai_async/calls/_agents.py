"""The calls of ``/v1/convai/agents``, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from convai_async.calls._call import Call, hiding, quoted_id
from convai_async.calls._page import Page, decode_page
from convai_async.calls._query import check_page_size, encode_query, unix_seconds
from convai_async.models import AgentLink, AgentTopic

if TYPE_CHECKING:
    from convai_async.calls._filters import Moment


def get_agent_link(agent_id: str) -> Call[AgentLink]:
    """GET /v1/convai/agents/{agent_id}/link."""
    return Call("GET", f"{_agent(agent_id)}/link", hiding(AgentLink.from_json))


def get_agent_topics(  # noqa: PLR0913 - each by its name
    agent_id: str,
    *,
    page_size: int | None = None,
    sort_by: Literal["conversations", "sentiment", "success_rate", "frustration"] | None = None,
    sort_direction: Literal["asc", "desc"] | None = None,
    from_unix_secs: Moment | None = None,
    to_unix_secs: Moment | None = None,
    include_evaluation_criteria: bool | None = None,
    cursor: str | None = None,
) -> Call[Page[AgentTopic]]:
    """GET /v1/convai/agents/{agent_id}/topics: one page of what an agent's conversations are about."""
    check_page_size(page_size)
    query = encode_query(
        {
            "page_size": page_size,
            "sort_by": sort_by,
            "sort_direction": sort_direction,
            "from_unix_secs": _seconds("from_unix_secs", from_unix_secs, up=False),
            "to_unix_secs": _seconds("to_unix_secs", to_unix_secs, up=True),
            "include_evaluation_criteria": include_evaluation_criteria,
            "cursor": cursor,
        }
    )
    return Call("GET", f"{_agent(agent_id)}/topics", _decode_topics, query)


def _decode_topics(body: bytes) -> Page[AgentTopic]:
    return decode_page(AgentTopic, "topics", body)


def _seconds(name: str, moment: Moment | None, *, up: bool) -> int | None:
    return None if moment is None else unix_seconds(name, moment, up=up)


def _agent(agent_id: str) -> str:
    return f"/v1/convai/agents/{quoted_id('agent_id', agent_id)}"
