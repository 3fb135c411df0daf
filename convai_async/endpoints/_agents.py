"""Endpoints of ``/v1/convai/agents``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from convai_async._support.validate import (
    validate_choice,
    validate_flag,
    validate_optional,
    validate_order,
    validate_page_size,
    validate_text,
)
from convai_async.endpoints._page import Page, PageDecoder
from convai_async.endpoints._query import encode_query, to_unix_seconds
from convai_async.endpoints._request import Request, quote_id, redact_body_on_error
from convai_async.models import AgentLink, AgentTopic

if TYPE_CHECKING:
    from convai_async.endpoints._filters import Moment

__all__ = ["SortDirection", "TopicOrder", "get_agent_link", "get_agent_topics"]

TopicOrder: TypeAlias = Literal["conversations", "sentiment", "success_rate", "frustration"]
SortDirection: TypeAlias = Literal["asc", "desc"]


def get_agent_link(agent_id: str) -> Request[AgentLink]:
    """Get the link that shares an agent (GET /v1/convai/agents/{agent_id}/link)."""
    return Request("GET", f"{_build_agent_path(agent_id)}/link", redact_body_on_error(AgentLink.from_json))


def get_agent_topics(  # noqa: PLR0913 - keyword-only options
    agent_id: str,
    *,
    page_size: int | None = None,
    sort_by: TopicOrder | None = None,
    sort_direction: SortDirection | None = None,
    from_unix_secs: Moment | None = None,
    to_unix_secs: Moment | None = None,
    include_evaluation_criteria: bool | None = None,
    cursor: str | None = None,
) -> Request[Page[AgentTopic]]:
    """Get a page of the topics of an agent's conversations (GET /v1/convai/agents/{agent_id}/topics)."""
    since = validate_optional(to_unix_seconds, "from_unix_secs", from_unix_secs)
    until = validate_optional(partial(to_unix_seconds, up=True), "to_unix_secs", to_unix_secs)
    validate_order("from_unix_secs", since, "to_unix_secs", until)
    query = encode_query(
        {
            "page_size": validate_page_size(page_size),
            "sort_by": validate_choice("sort_by", sort_by, (*get_args(TopicOrder), None)),
            "sort_direction": validate_choice("sort_direction", sort_direction, (*get_args(SortDirection), None)),
            "from_unix_secs": since,
            "to_unix_secs": until,
            "include_evaluation_criteria": validate_optional(
                validate_flag, "include_evaluation_criteria", include_evaluation_criteria
            ),
            "cursor": validate_optional(validate_text, "cursor", cursor),
        }
    )
    return Request("GET", f"{_build_agent_path(agent_id)}/topics", PageDecoder(AgentTopic, "topics"), query)


def _build_agent_path(agent_id: str) -> str:
    return f"/v1/convai/agents/{quote_id('agent_id', agent_id)}"
