"""Endpoints of ``/v1/convai/conversations/messages``."""

from __future__ import annotations

from typing import Unpack

from convai_async._support.validate import (
    MAX_SEARCH_PAGE_SIZE,
    validate_id,
    validate_optional,
    validate_page_size,
    validate_text,
)
from convai_async.endpoints._filter_help import describe_filters
from convai_async.endpoints._filter_values import validate_filters
from convai_async.endpoints._filters import MessageFilters
from convai_async.endpoints._page import Page, PageDecoder
from convai_async.endpoints._query import encode_query
from convai_async.endpoints._request import Request
from convai_async.models import MessageHit

__all__ = ["search_messages", "text_search_messages"]

_MESSAGES = "/v1/convai/conversations/messages"


@describe_filters(MessageFilters)
def text_search_messages(text_query: str, **filters: Unpack[MessageFilters]) -> Request[Page[MessageHit]]:
    """Get a page of messages that contain some words (GET /v1/convai/conversations/messages/text-search).

    Args:
        text_query: The words to find.
        **filters: The keys of `MessageFilters`.
    """
    values = {"text_query": validate_text("text_query", text_query), **validate_filters(filters, MessageFilters)}
    return Request("GET", f"{_MESSAGES}/text-search", PageDecoder(MessageHit, "results"), encode_query(values))


def search_messages(
    text_query: str,
    *,
    agent_id: str | None = None,
    branch_id: str | None = None,
    page_size: int | None = None,
    cursor: str | None = None,
) -> Request[Page[MessageHit]]:
    """Get a page of messages with a meaning (GET /v1/convai/conversations/messages/smart-search)."""
    query = encode_query(
        {
            "text_query": validate_text("text_query", text_query),
            "agent_id": validate_optional(validate_id, "agent_id", agent_id),
            "branch_id": validate_optional(validate_id, "branch_id", branch_id),
            "page_size": validate_page_size(page_size, MAX_SEARCH_PAGE_SIZE),
            "cursor": validate_optional(validate_text, "cursor", cursor),
        }
    )
    return Request("GET", f"{_MESSAGES}/smart-search", PageDecoder(MessageHit, "results"), query)
