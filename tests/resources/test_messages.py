"""`client.conversations.messages`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from convai_async.errors import InvalidArgumentError
from convai_async.models import MessageHit
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

AGENT = AGENTS[0][0]


async def test_text_search_yields_all_pages_of_messages_with_the_words(client: ConvAIClient, fake: FakeConvAI) -> None:
    hits = await client.conversations.messages.text_search(
        "refund", page_size=10, agent_id=AGENT, call_start_after_unix=datetime(2020, 1, 1, tzinfo=UTC)
    ).collect()
    assert len(fake.requests) > 1
    assert all(isinstance(hit, MessageHit) for hit in hits)
    assert {hit.agent_id for hit in hits} == {AGENT}
    for hit in hits:
        turn = fake.conversations.details(hit.conversation_id)["transcript"][hit.transcript_index or 0]
        assert turn["message"] == hit.chunk_text
        assert "refund" in (hit.chunk_text or "").casefold()
        assert hit.conversation_start_time is not None
    assert ("call_start_after_unix", "1577836800") in fake.requests[0].query


async def test_search_returns_a_page_of_messages(client: ConvAIClient) -> None:
    page = await client.conversations.messages.search("refund please", page_size=5, agent_id=AGENT)
    assert 0 < len(page) <= 5
    assert page[0].chunk_highlights[0].is_hit


@pytest.mark.parametrize("page_size", [0, 51])
async def test_search_page_size_is_at_most_50(client: ConvAIClient, page_size: int) -> None:
    for search in (client.conversations.messages.search, client.conversations.messages.text_search):
        with pytest.raises(InvalidArgumentError, match=r"^page_size: must be a whole number from 1 to 50"):
            search("refund", page_size=page_size)
        with pytest.raises(InvalidArgumentError, match=r"^text_query: must not be empty"):
            search(" ")


async def test_misspelled_filter_of_a_search_raises_type_error_with_a_suggestion(client: ConvAIClient) -> None:
    value: Any = {"agents": AGENT}
    with pytest.raises(TypeError, match="agent_id"):
        client.conversations.messages.text_search("refund", **value)
