"""The operations that the service has gained since the contract, against the fake service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import endpoints
from convai_async.errors import InvalidArgumentError, NotFoundError, ServerError
from convai_async.models import AgentTopic, ConversationTag, MessageHit
from convai_async.testing import faults
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

AGENT = AGENTS[0][0]


async def test_a_conversation_is_found_by_what_it_is_called_elsewhere(client: ConvAIClient, fake: FakeConvAI) -> None:
    everything = map(fake.conversations.details, fake.conversations)
    details = next(each for each in everything if each["metadata"]["async_metadata"])
    url = details["metadata"]["async_metadata"]["external_link"]
    conversation = await client.conversations.resolve(details["agent_id"], url)
    assert conversation.conversation_id == details["conversation_id"]
    with pytest.raises(NotFoundError):
        await client.conversations.resolve(details["agent_id"], "https://example.zendesk.com/agent/tickets/none")
    with pytest.raises(InvalidArgumentError, match=r"^reference: "):
        await client.conversations.resolve(AGENT, "")


async def test_a_conversation_comes_in_the_format_that_was_asked_for(client: ConvAIClient, fake: FakeConvAI) -> None:
    await client.conversations.get(next(iter(fake.conversations)), format="opentelemetry")
    assert fake.requests[-1].query == (("format", "opentelemetry"),)


async def test_a_summary_has_its_messages_only_when_they_are_few(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = fake.add(transcript=[("agent", "Hello!"), ("user", "Hi."), ("agent", "Bye!")])
    digest = await client.conversations.get_summary(conversation_id, max_messages=3)
    assert digest.conversation_id == conversation_id
    assert [message.role for message in digest.messages] == ["agent", "user", "agent"]
    assert not digest.messages_omitted
    longer = await client.conversations.get_summary(conversation_id, max_messages=2)
    assert (len(longer.messages), longer.messages_omitted, longer.message_count) == (0, True, 3)


async def test_messages_are_found_by_their_words_page_by_page(client: ConvAIClient, fake: FakeConvAI) -> None:
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


async def test_messages_are_found_by_their_meaning(client: ConvAIClient) -> None:
    page = await client.conversations.messages.search("refund please", page_size=5, agent_id=AGENT)
    assert 0 < len(page) <= 5
    assert page[0].chunk_highlights[0].is_hit


@pytest.mark.parametrize("page_size", [0, 51])
async def test_a_search_has_smaller_pages(client: ConvAIClient, page_size: int) -> None:
    for search in (client.conversations.messages.search, client.conversations.messages.text_search):
        with pytest.raises(InvalidArgumentError, match=r"^page_size: must be a whole number from 1 to 50"):
            search("refund", page_size=page_size)
        with pytest.raises(InvalidArgumentError, match=r"^text_query: must not be empty"):
            search(" ")


async def test_a_misspelt_filter_of_a_search_is_refused(client: ConvAIClient) -> None:
    odd: Any = {"agents": AGENT}
    with pytest.raises(TypeError, match="agent_id"):
        client.conversations.messages.text_search("refund", **odd)


async def test_an_analysis_is_run_again_and_not_twice(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(each for each in fake.conversations if fake.conversations[each].status == "done")
    before = await client.conversations.get(conversation_id)
    after = await client.conversations.analysis.run(conversation_id)
    assert after.analysis != before.analysis
    again = await client.conversations.analysis.run_evaluation(
        conversation_id, evaluation_id="solved", scope="agent", evaluated_agent_id=AGENT
    )
    assert again.analysis != after.analysis
    assert fake.requests[-1].body == b'{"evaluation_id":"solved","scope":"agent","evaluated_agent_id":"%s"}' % (
        AGENT.encode()
    )
    for run in (
        client.conversations.analysis.run(conversation_id),
        client.conversations.analysis.run_evaluation(conversation_id, evaluation_id="solved"),
    ):
        fake.requests.clear()
        fake.faults.add(faults.status(500))
        with pytest.raises(ServerError):
            await run
        assert len(fake.requests) == 1


async def test_an_uploaded_file_comes_back(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    uploaded = await client.conversations.files.create(conversation_id, b"\x89PNG" * 1000, filename="a.png")
    async with client.conversations.files.get(conversation_id, uploaded.file_id) as stream:
        assert stream.content_length == 4000
        assert b"".join([chunk async for chunk in stream]) == b"\x89PNG" * 1000
    with pytest.raises(NotFoundError):
        await client.conversations.files.get(conversation_id, "file_none").__aenter__()


async def test_tags_are_made_changed_assigned_listed_and_deleted(client: ConvAIClient, fake: FakeConvAI) -> None:
    tags = client.conversations.tags
    made = [await tags.create(f"tag {number}", description="d" if number else None) for number in range(5)]
    assert all(isinstance(tag, ConversationTag) for tag in made)
    assert [tag.title async for tag in tags.list(page_size=2)] == [f"tag {number}" for number in range(4, -1, -1)]
    assert await tags.get(made[0].tag_id) == made[0]
    assert made[0].created_at is not None

    changed = await tags.update(made[0].tag_id, title="urgent")
    assert (changed.title, changed.description) == ("urgent", None)
    assert fake.requests[-1].body == b'{"title":"urgent"}'
    assert (await tags.update(made[1].tag_id, description=None)).description is None
    with pytest.raises(InvalidArgumentError, match=r"^title: name what to change"):
        await tags.update(made[0].tag_id)

    conversation_id = list(fake.conversations)[3]
    await tags.assign(conversation_id, tag_ids=[made[0].tag_id, made[1].tag_id])
    assert (await client.conversations.get(conversation_id)).tag_ids == tuple(sorted([made[0].tag_id, made[1].tag_id]))
    found = await client.conversations.list(tag_ids=[made[0].tag_id]).collect()
    assert [summary.conversation_id for summary in found] == [conversation_id]
    await tags.unassign(conversation_id, made[0].tag_id)
    assert await client.conversations.list(tag_ids=[made[0].tag_id]).collect() == []

    await tags.delete(made[0].tag_id)
    with pytest.raises(NotFoundError, match="tag_not_found"):
        await tags.get(made[0].tag_id)


@pytest.mark.parametrize("tag_ids", ["tag_1", [], [""]])
async def test_odd_tags_are_refused_by_name(client: ConvAIClient, fake: FakeConvAI, tag_ids: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^tag_ids: "):
        await client.conversations.tags.assign("conv_1", tag_ids=tag_ids)
    assert fake.requests == []


async def test_topics_are_listed_under_both_names(client: ConvAIClient, fake: FakeConvAI) -> None:
    for topics in (client.agents.topics, client.conversations.topics):
        found = await topics.get(
            AGENT,
            page_size=4,
            sort_by="conversations",
            sort_direction="desc",
            from_unix_secs=datetime(2026, 1, 1, tzinfo=UTC),
            to_unix_secs=1_780_000_000,
            include_evaluation_criteria=True,
        ).collect()
        assert all(isinstance(topic, AgentTopic) for topic in found)
        assert len(found) == 6
        first = next(topic for topic in found if topic.topic_id == "topic_1")
        assert first.x_2d == 0.1
        assert first.metrics is not None
        assert first.metrics.evaluation_criteria[0].success_count == 6
    assert ("from_unix_secs", "1767225600") in fake.requests[0].query


async def test_a_url_and_a_token_are_asked_for_with_all_that_the_service_knows_today(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    options: dict[str, Any] = {
        "branch_id": "b",
        "version_id": "v",
        "environment": "staging",
        "debug_events_request": True,
    }
    sent = {"branch_id": "b", "version_id": "v", "environment": "staging", "debug_events_request": "true"}
    await client.conversations.get_signed_url(AGENT, **options)
    assert sent.items() <= dict(fake.requests[-1].query).items()
    await client.conversations.get_webrtc_token(AGENT, **options)
    assert sent.items() <= dict(fake.requests[-1].query).items()


def test_all_filters_of_today_are_known() -> None:
    assert len(endpoints.ConversationFilters.__annotations__) == 48
    assert len(endpoints.MessageFilters.__annotations__) == 38
