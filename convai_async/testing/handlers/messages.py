"""Searches in the messages of conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async.testing.cursors import NUMBER
from convai_async.testing.filters import SHARED_FILTERS, build_parameters, has_words
from convai_async.testing.parameters import integer, one_of, text
from convai_async.testing.responses import invalid, page_response
from convai_async.testing.routes import route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from convai_async.testing.state import State

JSON = dict[str, Any]

_PAGE = {"text_query": text(required=True), "page_size": integer(1, 50, default=30), "cursor": NUMBER}


@route(
    "GET",
    "/conversations/messages/text-search",
    **_PAGE,
    sort_by=one_of("search_score", "created_at", default="search_score"),
    summary_mode=one_of("exclude", "include"),  # no result has a summary
    **build_parameters(SHARED_FILTERS),
)
async def text_search_messages(state: State, _request: web.Request, query: JSON) -> web.StreamResponse:
    """Find the messages that contain all words."""
    return _search(state, query, query["text_query"].casefold().split())


@route("GET", "/conversations/messages/smart-search", **_PAGE, agent_id=text(), branch_id=text())
async def search_messages(state: State, _request: web.Request, query: JSON) -> web.StreamResponse:
    """Find the messages that contain the first word, in place of a semantic search."""
    return _search(state, query, query["text_query"].casefold().split()[:1])


def _search(state: State, query: JSON, words: list[str]) -> web.StreamResponse:
    if not words:
        raise invalid(("query", "text_query"), "Input should contain a word")
    hits = list(_iter_hits(state, query, words))
    if query.get("sort_by") != "created_at":
        hits.sort(key=lambda hit: -hit["score"])
    size = query["page_size"]
    meta = {"total": len(hits), "page": query["cursor"] // size, "page_size": size}
    return page_response("results", hits, query, meta=meta)


def _iter_hits(state: State, query: JSON, words: list[str]) -> Iterator[JSON]:
    for candidate in state.corpus.candidates(query):
        details = candidate.details
        for index, turn in enumerate(details["transcript"]):
            if turn["message"] and has_words(turn["message"], words):
                yield {
                    "conversation_id": details["conversation_id"],
                    "agent_id": details["agent_id"],
                    "agent_name": details["agent_name"],
                    "transcript_index": index,
                    "chunk_text": turn["message"],
                    "chunk_highlights": [{"value": turn["message"], "is_hit": True}],
                    "score": round(1 / (1 + index), 3),
                    "conversation_start_time_unix_secs": candidate.stored.start,
                }
