"""`client.conversations`: list, get, resolve, summary, delete, SIP messages, signed URLs and tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from convai_async.errors import InvalidArgumentError, NotFoundError
from convai_async.models import Conversation, ConversationSummary, SipMessage
from convai_async.testing import faults
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

AGENT = AGENTS[0][0]


async def test_list_yields_every_conversation_once_newest_first(client: ConvAIClient, fake: FakeConvAI) -> None:
    summaries = [summary async for summary in client.conversations.list()]
    assert [summary.conversation_id for summary in summaries] == list(fake.conversations)
    assert all(isinstance(summary, ConversationSummary) for summary in summaries)
    assert len(fake.requests("list_conversations")) == 3


async def test_awaiting_a_list_returns_the_first_page(client: ConvAIClient, fake: FakeConvAI) -> None:
    page = await client.conversations.list(page_size=10)
    assert [summary.conversation_id for summary in page] == list(fake.conversations)[:10]
    assert page.has_more
    assert page.next_cursor


async def test_pages_continue_from_a_saved_cursor(client: ConvAIClient, fake: FakeConvAI) -> None:
    first = await client.conversations.list()
    rest = [
        summary.conversation_id
        async for page in client.conversations.list().pages(cursor=first.next_cursor)
        for summary in page
    ]
    assert rest == list(fake.conversations)[100:]


async def test_prefetch_yields_the_same_conversations(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.list(page_size=20).prefetch(pages=3) as summaries:
        found = [summary.conversation_id async for summary in summaries]
    assert found == list(fake.conversations)


async def test_list_is_complete_despite_empty_pages_and_faults(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.empty_page(), operation="list_conversations", times=2)
    fake.faults.add(faults.status(503), operation="list_conversations", times=2)
    fake.faults.add(faults.drop(), operation="list_conversations", times=2)
    found = await client.conversations.list(page_size=50).collect()
    assert [summary.conversation_id for summary in found] == list(fake.conversations)


@pytest.mark.parametrize("page_size", [0, 101, -1, True, "10", 10.0])
async def test_page_size_out_of_range_is_refused_before_anything_is_sent(
    client: ConvAIClient, fake: FakeConvAI, page_size: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^page_size: "):
        client.conversations.list(page_size=page_size)
    with pytest.raises(InvalidArgumentError, match=r"^page_size: "):
        client.conversations.get_sip_messages("conv_1", page_size=page_size)
    assert fake.requests == []


async def test_get_returns_a_typed_conversation(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    conversation = await client.conversations.get(conversation_id)
    assert isinstance(conversation, Conversation)
    assert conversation.conversation_id == conversation_id
    assert [turn.message for turn in conversation.transcript] == [
        turn["message"] for turn in fake.conversations.details(conversation_id)["transcript"]
    ]


async def test_get_accepts_unknown_values(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.unknown_values())
    conversation = await client.conversations.get(next(iter(fake.conversations)))
    assert conversation.status == "archived"
    assert {turn.role for turn in conversation.transcript} == {"supervisor"}


async def test_get_sends_the_format(client: ConvAIClient, fake: FakeConvAI) -> None:
    await client.conversations.get(next(iter(fake.conversations)), format="opentelemetry")
    assert fake.requests[-1].query == (("format", "opentelemetry"),)


async def test_ids_are_quoted_into_one_path_segment(client: ConvAIClient, fake: FakeConvAI) -> None:
    for value in ("../../v1/user", "a/b", "a?b=1", "a#b", "conv 1", "ü", "%2e%2e"):
        with pytest.raises(NotFoundError):
            await client.conversations.get(value)
        assert fake.requests[-1].operation == "get_conversation"
        assert fake.requests[-1].query == ()


async def test_resolve_finds_a_conversation_by_the_url_of_its_ticket(client: ConvAIClient, fake: FakeConvAI) -> None:
    everything = map(fake.conversations.details, fake.conversations)
    details = next(each for each in everything if each["metadata"]["async_metadata"])
    url = details["metadata"]["async_metadata"]["external_link"]
    conversation = await client.conversations.resolve(details["agent_id"], url)
    assert conversation.conversation_id == details["conversation_id"]
    with pytest.raises(NotFoundError):
        await client.conversations.resolve(details["agent_id"], "https://example.zendesk.com/agent/tickets/none")
    with pytest.raises(InvalidArgumentError, match=r"^reference: "):
        await client.conversations.resolve(AGENT, "")


async def test_get_summary_omits_messages_above_max_messages(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = fake.add(transcript=[("agent", "Hello!"), ("user", "Hi."), ("agent", "Bye!")])
    digest = await client.conversations.get_summary(conversation_id, max_messages=3)
    assert digest.conversation_id == conversation_id
    assert [message.role for message in digest.messages] == ["agent", "user", "agent"]
    assert not digest.messages_omitted
    longer = await client.conversations.get_summary(conversation_id, max_messages=2)
    assert (len(longer.messages), longer.messages_omitted, longer.message_count) == (0, True, 3)


async def test_delete_removes_the_conversation(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.delete(conversation_id)
    assert conversation_id not in fake.conversations
    with pytest.raises(NotFoundError, match="conversation_not_found") as caught:
        await client.conversations.get(conversation_id)
    assert caught.value.status == 404
    assert caught.value.request_id


async def test_delete_of_an_unknown_conversation_raises_not_found(client: ConvAIClient) -> None:
    with pytest.raises(NotFoundError):
        await client.conversations.delete("conv_none")


@pytest.mark.parametrize("after_acting", [True, False])
async def test_delete_is_retried_after_a_lost_response_and_404_then_means_deleted(
    client: ConvAIClient, fake: FakeConvAI, after_acting: bool
) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.list(page_size=1)  # so that the connection that drops is one from the pool
    fake.faults.add(faults.drop(after_acting=after_acting), operation="delete_conversation")
    await client.conversations.delete(conversation_id)
    assert conversation_id not in fake.conversations
    assert len(fake.requests("delete_conversation")) == 2


async def test_get_sip_messages_yields_all_pages(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    messages = await client.conversations.get_sip_messages(conversation_id, page_size=3).collect()
    assert len(fake.requests("get_sip_messages")) == 3
    assert all(isinstance(message, SipMessage) for message in messages)
    assert messages[0].raw_message is not None
    assert messages[0].raw_message.startswith("INVITE")
    assert {message.direction for message in messages} == {"in", "out"}


async def test_get_signed_url_sends_its_parameters_and_hides_the_url_in_its_repr(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    signed = await client.conversations.get_signed_url(
        AGENT, include_conversation_id=True, branch_id="agtbrch_1", environment="staging"
    )
    assert signed.signed_url.startswith("ws://")
    assert signed.conversation_id is not None
    assert signed.conversation_id in signed.signed_url
    assert fake.requests[-1].query == (
        ("agent_id", AGENT),
        ("include_conversation_id", "true"),
        ("branch_id", "agtbrch_1"),
        ("environment", "staging"),
    )
    assert signed.signed_url not in repr(signed)
    assert signed.signed_url not in f"{signed}"


async def test_get_signed_url_without_include_conversation_id_has_no_conversation_id(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    assert (await client.conversations.get_signed_url(AGENT)).conversation_id is None
    assert fake.requests[-1].query == (("agent_id", AGENT),)


async def test_get_webrtc_token_sends_its_parameters_and_hides_the_token_in_its_repr(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    token = await client.conversations.get_webrtc_token(AGENT, participant_name="Ann Lee")
    assert token.token.startswith("webrtc_")
    assert token.token not in repr(token)
    assert fake.requests[-1].query == (("agent_id", AGENT), ("participant_name", "Ann Lee"))


async def test_signed_url_and_token_send_all_options(client: ConvAIClient, fake: FakeConvAI) -> None:
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
