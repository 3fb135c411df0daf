"""The official SDK as the fake service's client: so that the service is not only our own idea of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from convai_async.testing import FakeConvAI, faults
from convai_async.testing.documents import AGENTS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK's own, on import
    from elevenlabs.client import AsyncElevenLabs
    from elevenlabs.core.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AGENT = AGENTS[0][0]


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    # The SDK's models are strict: the oddities of the real service break them.
    async with FakeConvAI(conversations=60, seed=5, quirks=False, audio_bytes=50_000) as service:
        yield service


@pytest.fixture
async def sdk(fake: FakeConvAI) -> AsyncIterator[Any]:
    import httpx  # noqa: PLC0415

    async with httpx.AsyncClient() as http:
        yield AsyncElevenLabs(base_url=fake.url, api_key=fake.api_key, httpx_client=http)


async def test_it_lists_page_by_page(sdk: Any, fake: FakeConvAI) -> None:
    seen, cursor = [], None
    while True:
        page = await sdk.conversational_ai.conversations.list(page_size=25, cursor=cursor)
        seen += [item.conversation_id for item in page.conversations]
        cursor = page.next_cursor
        if not page.has_more:
            break
    assert seen == list(fake.conversations)


async def test_it_gets_a_conversation(sdk: Any, fake: FakeConvAI) -> None:
    for conversation_id in list(fake.conversations)[:10]:
        conversation = await sdk.conversational_ai.conversations.get(conversation_id)
        details = fake.conversations.details(conversation_id)
        assert conversation.conversation_id == conversation_id
        assert [turn.message for turn in conversation.transcript] == [turn["message"] for turn in details["transcript"]]


async def test_it_deletes_a_conversation(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    await sdk.conversational_ai.conversations.delete(conversation_id)
    assert conversation_id not in fake.conversations


async def test_it_reads_a_recording(sdk: Any, fake: FakeConvAI) -> None:
    recorded = next(filter(fake.conversations.has_audio, fake.conversations))
    chunks = [chunk async for chunk in sdk.conversational_ai.conversations.audio.get(recorded)]
    assert sum(map(len, chunks)) == 50_000


async def test_it_rates_a_conversation(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    await sdk.conversational_ai.conversations.feedback.create(conversation_id, feedback="dislike")
    assert fake.conversations[conversation_id].feedback == "dislike"


async def test_it_gets_a_signed_url_a_token_and_a_link(sdk: Any) -> None:
    signed = await sdk.conversational_ai.conversations.get_signed_url(agent_id=AGENT, include_conversation_id=True)
    assert signed.signed_url.startswith("wss://")
    token = await sdk.conversational_ai.conversations.get_webrtc_token(agent_id=AGENT, participant_name="Ann")
    assert token.token
    link = await sdk.conversational_ai.agents.link.get(AGENT)
    assert link.agent_id == AGENT
    assert link.token.conversation_token


async def test_it_uploads_and_deletes_a_file(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    uploaded = await sdk.conversational_ai.conversations.files.create(
        conversation_id, file=("a.png", b"\x89PNG", "image/png")
    )
    assert fake.files == {(conversation_id, uploaded.file_id): b"\x89PNG"}
    await sdk.conversational_ai.conversations.files.delete(conversation_id, uploaded.file_id)
    assert fake.files == {}


async def test_it_reads_sip_messages(sdk: Any, fake: FakeConvAI) -> None:
    reply = await sdk.conversational_ai.conversations.get_sip_messages(next(iter(fake.conversations)))
    assert reply.sip_messages


async def test_it_finds_a_conversation_its_summary_and_messages(sdk: Any, fake: FakeConvAI) -> None:
    conversations = sdk.conversational_ai.conversations
    details = next(
        details for details in map(fake.conversations.details, fake.conversations) if details["metadata"]["phone_call"]
    )
    sid = details["metadata"]["phone_call"]["call_sid"]
    found = await conversations.resolve(agent_id=details["agent_id"], reference=sid)
    assert found.conversation_id == details["conversation_id"]
    summary = await conversations.get_summary(found.conversation_id, max_messages=2)
    assert len(summary.messages) == 2
    assert (await conversations.messages.text_search(text_query="the", page_size=5)).results
    assert (await conversations.messages.search(text_query="the", page_size=5)).results


async def test_it_runs_an_analysis_and_an_evaluation(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    analysis = sdk.conversational_ai.conversations.analysis
    assert (await analysis.run(conversation_id)).conversation_id == conversation_id
    await analysis.run_evaluation(conversation_id, evaluation_id="solved", scope="conversation")
    assert fake.conversations[conversation_id].revision == 2


async def test_it_reads_a_file(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    files = sdk.conversational_ai.conversations.files
    uploaded = await files.create(conversation_id, file=("a.png", b"\x89PNG", "image/png"))
    chunks = [chunk async for chunk in files.get(conversation_id, uploaded.file_id)]
    assert b"".join(chunks) == b"\x89PNG"


async def test_it_tags_conversations_and_lists_topics(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    tags = sdk.conversational_ai.conversations.tags
    tag = await tags.create(title="urgent")
    assert (await tags.get(tag.tag_id)).title == "urgent"
    assert (await tags.update(tag.tag_id, description="now")).description == "now"
    assert [each.tag_id for each in (await tags.list()).conversation_tags] == [tag.tag_id]
    await tags.assign(conversation_id, tag_ids=[tag.tag_id])
    assert fake.conversations[conversation_id].tag_ids == [tag.tag_id]
    await tags.unassign(conversation_id, tag.tag_id)
    await tags.delete(tag.tag_id)
    topics = await sdk.conversational_ai.conversations.topics.get(AGENT)
    assert len(topics.topics) == 6


async def test_it_understands_the_errors(sdk: Any, fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(403, "no_access"))
    with pytest.raises(ApiError) as caught:
        await sdk.conversational_ai.conversations.get(next(iter(fake.conversations)))
    assert caught.value.status_code == 403
    with pytest.raises(ApiError) as caught:
        await sdk.conversational_ai.conversations.list(page_size=0)
    assert caught.value.status_code == 422
