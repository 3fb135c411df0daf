"""What type checkers must see in the public API; pyright and mypy read this file, nobody runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import assert_type

from convai_async import (
    AudioStream,
    ConvAIClient,
    ConvAIError,
    DeleteResult,
    Fetched,
    FetchResult,
    NotFetched,
    Page,
    Paginator,
    Response,
    SavedAudio,
    UndecodableItem,
    Watch,
    endpoints,
)
from convai_async.archive import Archive
from convai_async.harvest import HarvestReport, harvest
from convai_async.live import AgentResponse, Closed, Event, LiveConversation, Monitor, Reply
from convai_async.models import (
    AgentLink,
    AgentTopic,
    Conversation,
    ConversationSummary,
    ConversationTag,
    FileUpload,
    MessageHit,
    SignedUrl,
    SipMessage,
    TranscriptTurn,
    WebRTCToken,
)
from convai_async.webhooks import PostCallTranscription, construct_event


async def lists(client: ConvAIClient) -> None:
    paginator = client.conversations.list(agent_id="agent_1", page_size=10, tool_names=["a"])
    assert_type(paginator, Paginator[ConversationSummary])
    assert_type(await paginator, Page[ConversationSummary])
    assert_type(await paginator.collect(max_items=3), list[ConversationSummary])
    assert_type(paginator.limit(3), Paginator[ConversationSummary])
    async for summary in paginator:
        assert_type(summary.conversation_id, str)
    async for page in paginator.pages(cursor=None):
        assert_type(page, Page[ConversationSummary])
        assert_type(page.next_cursor, str | None)
        assert_type(list(page), list[ConversationSummary])
        assert_type(page.undecodable, tuple[UndecodableItem, ...])
    async with paginator.prefetch(pages=2) as summaries:
        assert_type(summaries, AsyncIterator[ConversationSummary])
    assert_type(client.conversations.get_sip_messages("conv_1"), Paginator[SipMessage])

    client.conversations.list(rating_min=1, exclude_statuses=["in-progress"], visited_agent_ids=("a", "b"))
    client.conversations.messages.text_search("refund", rating_min=1, sort_by="created_at")
    client.conversations.messages.text_search("refund", tag_ids=["a"])  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.conversations.list(agent="agent_1")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.conversations.list(page_size="ten")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.conversations.list(call_start_after_unix=date(2026, 1, 1))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def documents(client: ConvAIClient) -> None:
    conversation = await client.conversations.get("conv_1")
    assert_type(conversation, Conversation)
    assert_type(conversation.transcript, tuple[TranscriptTurn, ...])
    assert_type(conversation.transcript[0].message, str | None)
    assert_type(await client.send_raw(endpoints.get_conversation("conv_1")), Response[Conversation])
    assert_type((await client.send_raw(endpoints.list_conversations())).decode(), Page[ConversationSummary])
    assert_type(await client.conversations.get_signed_url("agent_1"), SignedUrl)
    assert_type(await client.conversations.get_webrtc_token("agent_1"), WebRTCToken)
    assert_type(await client.agents.link.get("agent_1"), AgentLink)
    assert_type(await client.conversations.files.create("conv_1", b"", filename="a.png"), FileUpload)
    await client.conversations.feedback.create("conv_1", feedback="like")
    await client.conversations.feedback.create("conv_1", feedback="meh")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await client.conversations.wait("conv_1", until="done")
    async with client.conversations.delete_many(["conv_1"]) as deletions:
        assert_type(deletions, AsyncIterator[DeleteResult])
    async with client.conversations.get_many(["conv_1"]) as results:
        assert_type(results, AsyncIterator[FetchResult])
        async for result in results:
            if result.error is None:
                assert_type(result, Fetched)
                assert_type(result.conversation, Conversation)
            else:
                assert_type(result, NotFetched)
                assert_type(result.error, ConvAIError)
            if result.conversation is not None:
                assert_type(result.error, None)
            match result:
                case Fetched():
                    assert_type(result.conversation, Conversation)
                case NotFetched():
                    assert_type(result.error, ConvAIError)


async def waiting(client: ConvAIClient) -> None:
    assert_type(await client.conversations.wait("conv_1"), Conversation)
    async with client.conversations.watch(since=5) as watch:
        assert_type(watch, Watch)
        assert_type(await anext(watch), Conversation)
        assert_type(watch.token, str)
    assert_type(client.conversations.messages.search("x"), Paginator[MessageHit])
    assert_type(client.conversations.tags.list(), Paginator[ConversationTag])
    assert_type(client.agents.topics.get("agent_1"), Paginator[AgentTopic])
    await client.conversations.tags.update("tag_1", description=None)
    await client.conversations.tags.update("tag_1", titel="x")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    endpoints.run_evaluation("conv_1", "polite", skope="agent")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    event = construct_event(b"", "", "")
    if isinstance(event, PostCallTranscription):
        assert_type(event.data, Conversation)


async def recordings(client: ConvAIClient) -> None:
    async with client.conversations.audio.stream("conv_1") as audio:
        assert_type(audio, AudioStream)
        async for chunk in audio:
            assert_type(chunk, bytes)
    assert_type(await client.conversations.audio.download("conv_1", "a.mp3"), SavedAudio)


async def live_conversations(client: ConvAIClient) -> None:
    async with client.conversations.connect("agent_1", text_only=True, tools={"a": print}) as live:
        assert_type(live, LiveConversation)
        assert_type(await anext(live), Event)
        assert_type(await live.ask("Hi"), Reply)
        async for event in live:
            assert_type(event, Event)
            match event:
                case AgentResponse(text=text):
                    assert_type(text, str)
                case _:
                    pass
        async for chunk in live.audio():
            assert_type(chunk.data, bytes)
        assert_type(live.closed, Closed | None)
        await live.send_audio(b"", when_full="later")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    async with client.conversations.monitor("conv_1") as watching:
        assert_type(watching, Monitor)


async def harvests(client: ConvAIClient) -> None:
    assert_type(await harvest(client, "calls.db", since=date(2026, 1, 1)), HarvestReport)
    with Archive.open("calls.db") as archive:
        assert_type(archive, Archive)


ConvAIClient(region="mars")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
