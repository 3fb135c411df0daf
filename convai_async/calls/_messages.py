"""The calls of ``/v1/convai/conversations/messages``: search in what was said."""

from __future__ import annotations

from typing import Unpack

from convai_async.calls._call import Call, checked_id
from convai_async.calls._filters import MessageFilters, check_filters
from convai_async.calls._page import Page, decode_page
from convai_async.calls._query import MAX_SEARCH_PAGE_SIZE, check_page_size, encode_query
from convai_async.models import MessageHit

_MESSAGES = "/v1/convai/conversations/messages"


def text_search_messages(text_query: str, **filters: Unpack[MessageFilters]) -> Call[Page[MessageHit]]:
    """GET /v1/convai/conversations/messages/text-search: one page of messages that hold these words."""
    values = check_filters(filters, MessageFilters, largest_page=MAX_SEARCH_PAGE_SIZE)
    query = encode_query({"text_query": checked_id("text_query", text_query), **values})
    return Call("GET", f"{_MESSAGES}/text-search", _decode_hits, query)


def search_messages(
    text_query: str,
    *,
    agent_id: str | None = None,
    branch_id: str | None = None,
    page_size: int | None = None,
    cursor: str | None = None,
) -> Call[Page[MessageHit]]:
    """GET /v1/convai/conversations/messages/smart-search: one page of messages that mean this."""
    check_page_size(page_size, MAX_SEARCH_PAGE_SIZE)
    query = encode_query(
        {
            "text_query": checked_id("text_query", text_query),
            "agent_id": agent_id,
            "branch_id": branch_id,
            "page_size": page_size,
            "cursor": cursor,
        }
    )
    return Call("GET", f"{_MESSAGES}/smart-search", _decode_hits, query)


def _decode_hits(body: bytes) -> Page[MessageHit]:
    return decode_page(MessageHit, "results", body)
