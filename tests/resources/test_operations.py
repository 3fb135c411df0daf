"""Each operation of the client against the fake service: what is sent, and what comes back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import endpoints
from convai_async.errors import InvalidArgumentError, NotFoundError, ServerError, ValidationError
from convai_async.models import AgentLink, Conversation, ConversationSummary, SipMessage
from convai_async.testing import faults
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

AGENT = AGENTS[0][0]

EVERY_FILTER: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "agent_id": (AGENT, [("agent_id", AGENT)]),
    "call_successful": ("success", [("call_successful", "success")]),
    "call_start_before_unix": (
        datetime(2026, 5, 20, tzinfo=UTC),
        [("call_start_before_unix", "1779235200")],
    ),
    "call_start_after_unix": (1_779_000_000, [("call_start_after_unix", "1779000000")]),
    "call_duration_min_secs": (30, [("call_duration_min_secs", "30")]),
    "call_duration_max_secs": (300, [("call_duration_max_secs", "300")]),
    "rating_min": (2, [("rating_min", "2")]),
    "rating_max": (4, [("rating_max", "4")]),
    "has_feedback_comment": (False, [("has_feedback_comment", "false")]),
    "user_id": ("user_1", [("user_id", "user_1")]),
    "evaluation_params": (["polite:success"], [("evaluation_params", "polite:success")]),
    "data_collection_params": (
        ["order:exists", "city:eq:Rome"],
        [("data_collection_params", "order:exists"), ("data_collection_params", "city:eq:Rome")],
    ),
    "tool_names": (["issue_refund", "end_call"], [("tool_names", "issue_refund"), ("tool_names", "end_call")]),
    "page_size": (7, [("page_size", "7")]),
    "summary_mode": ("include", [("summary_mode", "include")]),
    "search": ("refund & more", [("search", "refund & more")]),
    "cursor": (None, []),
}


def test_every_filter_of_the_contract_is_tried_here() -> None:
    contract = json.loads((Path(__file__).parents[1] / "data/openapi.json").read_text())
    parameters = contract["paths"]["/v1/convai/conversations"]["get"]["parameters"]
    assert set(EVERY_FILTER) == {each["name"] for each in parameters if each["in"] == "query"}
    assert len(EVERY_FILTER) == 17


VALUES_OF_TODAY: dict[str, Any] = {
    "conversation_initiation_source": "widget",
    "conversation_product_type": "agents",
    "data_collection_filter": "city:eq:Rome",
    "dynamic_variable_filter": "vip:eq:true",
    "dynamic_variable_params": ["vip:eq:true", "visits:gt:3"],
    "exclude_statuses": ["failed", "processing"],
    "guardrail_types": ["custom", "profanity"],
    "include_invalid_tool_calls": True,
    "sort_direction": "asc",
    "text_only": True,
}


@pytest.mark.parametrize("name", sorted(set(endpoints.ConversationFilters.__annotations__) - set(EVERY_FILTER)))
async def test_a_filter_of_today_is_sent_under_its_name(client: ConvAIClient, fake: FakeConvAI, name: str) -> None:
    several = "Strings" in str(endpoints.ConversationFilters.__annotations__[name])
    value = VALUES_OF_TODAY.get(name, ["a", "b"] if several else "a")
    await client.conversations.list(**{name: value})
    sent = [pair for pair in fake.requests[-1].query if pair[0] == name]
    texts = value if isinstance(value, list) else ["true" if value is True else value]
    assert sent == [(name, text) for text in texts]


@pytest.mark.parametrize("name", EVERY_FILTER)
async def test_a_filter_reaches_the_service_as_the_contract_writes_it(
    client: ConvAIClient, fake: FakeConvAI, name: str
) -> None:
    value, sent = EVERY_FILTER[name]
    await client.conversations.list(**{name: value})
    assert [pair for pair in fake.requests[-1].query if pair[0] == name] == sent


async def test_all_filters_at_once_are_sent_once_each(client: ConvAIClient, fake: FakeConvAI) -> None:
    filters: Any = {name: value for name, (value, _) in EVERY_FILTER.items()}
    await client.conversations.list(**filters)
    assert sorted(fake.requests[-1].query) == sorted(pair for _, sent in EVERY_FILTER.values() for pair in sent)


async def test_a_list_reads_every_conversation_once_newest_first(client: ConvAIClient, fake: FakeConvAI) -> None:
    summaries = [summary async for summary in client.conversations.list()]
    assert [summary.conversation_id for summary in summaries] == list(fake.conversations)
    assert all(isinstance(summary, ConversationSummary) for summary in summaries)
    assert len(fake.requests("list_conversations")) == 3


async def test_awaiting_a_list_gives_its_first_page(client: ConvAIClient, fake: FakeConvAI) -> None:
    page = await client.conversations.list(page_size=10)
    assert [summary.conversation_id for summary in page] == list(fake.conversations)[:10]
    assert page.has_more
    assert page.next_cursor


async def test_reading_goes_on_from_a_saved_cursor(client: ConvAIClient, fake: FakeConvAI) -> None:
    first = await client.conversations.list()
    rest = [
        summary.conversation_id
        async for page in client.conversations.list().pages(cursor=first.next_cursor)
        for summary in page
    ]
    assert rest == list(fake.conversations)[100:]


async def test_prefetching_gives_the_same_conversations(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.list(page_size=20).prefetch(pages=3) as summaries:
        found = [summary.conversation_id async for summary in summaries]
    assert found == list(fake.conversations)


async def test_pages_without_items_and_faults_lose_nothing(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.empty_page(), operation="list_conversations", times=2)
    fake.faults.add(faults.status(503), operation="list_conversations", times=2)
    fake.faults.add(faults.drop(), operation="list_conversations", times=2)
    found = await client.conversations.list(page_size=50).collect()
    assert [summary.conversation_id for summary in found] == list(fake.conversations)


async def test_a_conversation_comes_typed(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    conversation = await client.conversations.get(conversation_id)
    assert isinstance(conversation, Conversation)
    assert conversation.conversation_id == conversation_id
    assert [turn.message for turn in conversation.transcript] == [
        turn["message"] for turn in fake.conversations.details(conversation_id)["transcript"]
    ]


async def test_a_conversation_of_a_newer_service_still_comes(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.unknown_values())
    conversation = await client.conversations.get(next(iter(fake.conversations)))
    assert conversation.status == "archived"
    assert {turn.role for turn in conversation.transcript} == {"supervisor"}


async def test_send_raw_gives_the_service_s_own_bytes(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    response = await client.send_raw(endpoints.get_conversation(conversation_id))
    assert response.status == 200
    assert response.body == fake.conversations.document(conversation_id)
    assert response.request_id is not None
    assert response.request_id == response.headers["Request-ID"]
    assert response.decode().conversation_id == conversation_id
    assert "transcript" not in repr(response)


async def test_deleting_a_conversation_takes_it_out_of_the_list(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.delete(conversation_id)
    assert conversation_id not in fake.conversations
    with pytest.raises(NotFoundError, match="conversation_not_found") as caught:
        await client.conversations.get(conversation_id)
    assert caught.value.status == 404
    assert caught.value.request_id


async def test_deleting_what_was_never_there_is_a_404(client: ConvAIClient) -> None:
    with pytest.raises(NotFoundError):
        await client.conversations.delete("conv_none")


@pytest.mark.parametrize("after_acting", [True, False])
async def test_a_deletion_whose_reply_was_lost_is_repeated_and_counts_as_done(
    client: ConvAIClient, fake: FakeConvAI, after_acting: bool
) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.list(page_size=1)  # so that the connection that drops is one from the pool
    fake.faults.add(faults.drop(after_acting=after_acting), operation="delete_conversation")
    await client.conversations.delete(conversation_id)
    assert conversation_id not in fake.conversations
    assert len(fake.requests("delete_conversation")) == 2


async def test_a_signed_url_is_asked_for_with_all_its_parameters(client: ConvAIClient, fake: FakeConvAI) -> None:
    signed = await client.conversations.get_signed_url(
        AGENT, include_conversation_id=True, branch_id="agtbrch_1", environment="staging"
    )
    assert signed.signed_url.startswith("wss://")
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


async def test_a_signed_url_without_a_conversation_id_has_none(client: ConvAIClient, fake: FakeConvAI) -> None:
    assert (await client.conversations.get_signed_url(AGENT)).conversation_id is None
    assert fake.requests[-1].query == (("agent_id", AGENT),)


async def test_a_token_is_asked_for_with_all_its_parameters(client: ConvAIClient, fake: FakeConvAI) -> None:
    token = await client.conversations.get_webrtc_token(AGENT, participant_name="Ann Lee")
    assert token.token.startswith("webrtc_")
    assert token.token not in repr(token)
    assert fake.requests[-1].query == (("agent_id", AGENT), ("participant_name", "Ann Lee"))


async def test_an_agent_link_holds_its_token_secret(client: ConvAIClient) -> None:
    link = await client.agents.link.get(AGENT)
    assert isinstance(link, AgentLink)
    assert link.token is not None
    secret = link.token.conversation_token
    assert secret is not None
    assert secret.startswith("cvtkn_")
    assert secret not in repr(link)


@pytest.mark.parametrize("feedback", ["like", "dislike", None])
async def test_feedback_reaches_the_service(client: ConvAIClient, fake: FakeConvAI, feedback: Any) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.feedback.create(conversation_id, feedback=feedback)
    assert fake.conversations[conversation_id].feedback == feedback
    assert fake.requests[-1].headers["content-type"] == "application/json"


async def test_feedback_that_may_have_arrived_is_not_sent_twice(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    fake.faults.add(faults.status(500), operation="create_feedback")
    with pytest.raises(ServerError) as caught:
        await client.conversations.feedback.create(conversation_id, feedback="like")
    assert caught.value.attempts == 1
    assert len(fake.requests("create_feedback")) == 1


async def test_feedback_that_was_turned_away_at_the_door_is_sent_again(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.rate_limited(), operation="create_feedback")
    await client.conversations.feedback.create(next(iter(fake.conversations)), feedback="like")
    assert len(fake.requests("create_feedback")) == 2


async def test_sip_messages_are_listed_page_by_page(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    messages = await client.conversations.get_sip_messages(conversation_id, page_size=3).collect()
    assert len(fake.requests("get_sip_messages")) == 3
    assert all(isinstance(message, SipMessage) for message in messages)
    assert messages[0].raw_message is not None
    assert messages[0].raw_message.startswith("INVITE")
    assert {message.direction for message in messages} == {"in", "out"}


async def test_request_reaches_an_endpoint_without_a_method(client: ConvAIClient, fake: FakeConvAI) -> None:
    page = await client.request("GET", "/v1/convai/conversations", query={"page_size": 2, "agent_id": None})
    assert [item["conversation_id"] for item in page["conversations"]] == list(fake.conversations)[:2]
    assert fake.requests[-1].query == (("page_size", "2"),)


async def test_request_sends_json(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    path = f"/v1/convai/conversations/{conversation_id}/feedback"
    assert await client.request("POST", path, json={"feedback": "like"}) == {}
    assert fake.conversations[conversation_id].feedback == "like"


async def test_what_the_service_refuses_names_the_parameter(client: ConvAIClient) -> None:
    with pytest.raises(ValidationError, match="page_size") as caught:
        await client.request("GET", "/v1/convai/conversations", query={"page_size": 101})
    assert caught.value.errors[0].location == ("query", "page_size")


@pytest.mark.parametrize("page_size", [0, 101, -1, True, "10", 10.0])
async def test_a_page_size_out_of_range_is_refused_before_anything_is_sent(
    client: ConvAIClient, fake: FakeConvAI, page_size: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^page_size: "):
        client.conversations.list(page_size=page_size)
    with pytest.raises(InvalidArgumentError, match=r"^page_size: "):
        client.conversations.get_sip_messages("conv_1", page_size=page_size)
    assert fake.requests == []


async def test_a_misspelt_filter_is_refused_with_the_right_one(client: ConvAIClient) -> None:
    misspelt: Any = {"agent": AGENT}
    with pytest.raises(TypeError, match="agent_id"):
        client.conversations.list(**misspelt)


async def test_odd_ids_are_quoted_into_one_segment(client: ConvAIClient, fake: FakeConvAI) -> None:
    for odd in ("../../v1/user", "a/b", "a?b=1", "a#b", "conv 1", "ü", "%2e%2e"):
        with pytest.raises(NotFoundError):
            await client.conversations.get(odd)
        assert fake.requests[-1].operation == "get_conversation"
        assert fake.requests[-1].query == ()
