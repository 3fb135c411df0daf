"""The fake service against the contract, and its own promises."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import jsonschema
import msgspec
import pytest
from multidict import MultiDict

from convai_async import ConvAIClient, RetryPolicy
from convai_async.errors import ConvAIError
from convai_async.models import Conversation, ConversationsPage, decoder
from convai_async.testing import FakeConvAI, faults, mp3
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from collections.abc import Callable

CONTRACT = json.loads((Path(__file__).parents[1] / "data/openapi.json").read_text())


def tolerant_of_twins(node: Any) -> Any:
    """The contract has ``oneOf`` of number and integer, which no integer can fit: any will do."""
    if isinstance(node, dict):
        return {("anyOf" if name == "oneOf" else name): tolerant_of_twins(value) for name, value in node.items()}
    return [tolerant_of_twins(value) for value in node] if isinstance(node, list) else node


COMPONENTS = tolerant_of_twins(copy.deepcopy(CONTRACT["components"]))


def validate(document: Any, schema: str) -> None:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": COMPONENTS}
    jsonschema.Draft202012Validator(whole).validate(document)


def test_every_conversation_is_as_the_contract_says() -> None:
    fake = FakeConvAI(conversations=120, unfinished=2, quirks=False)
    for conversation_id in fake.conversations:
        validate(fake.conversations.details(conversation_id), "GetConversationResponseModel")


async def test_the_other_replies_are_as_the_contract_says() -> None:
    async with FakeConvAI(conversations=30, quirks=False) as fake:
        conversation_id = next(iter(fake.conversations))
        agent = AGENTS[0][0]
        replies = {
            "/v1/convai/conversations?page_size=10&summary_mode=include": "GetConversationsPageResponseModel",
            f"/v1/convai/conversation/get-signed-url?agent_id={agent}": "ConversationSignedUrlResponseModel",
            f"/v1/convai/conversation/token?agent_id={agent}": "TokenResponseModel",
            f"/v1/convai/agents/{agent}/link": "GetAgentLinkResponseModel",
            f"/v1/convai/conversations/{conversation_id}": "GetConversationResponseModel",
        }
        async with aiohttp.ClientSession(fake.url, headers={"xi-api-key": fake.api_key}) as session:
            for path, schema in replies.items():
                async with session.get(path) as reply:
                    assert reply.status == 200
                    assert reply.headers["request-id"]
                    validate(await reply.json(), schema)
            async with session.get("/v1/convai/conversations?page_size=0") as reply:
                assert reply.status == 422
                assert (await reply.json())["detail"][0]["loc"] == ["query", "page_size"]


def test_documents_with_the_real_service_s_oddities_decode() -> None:
    fake = FakeConvAI(conversations=200)
    for conversation_id in fake.conversations:
        conversation = Conversation.from_json(fake.conversations.document(conversation_id))
        assert conversation.conversation_id == conversation_id


def test_the_documents_show_all_kinds_of_tool_calls_and_results() -> None:
    fake = FakeConvAI(conversations=300)
    kinds = set()
    for conversation_id in fake.conversations:
        for turn in Conversation.from_json(fake.conversations.document(conversation_id)).transcript:
            kinds |= {type(result).__name__ for result in turn.tool_results}
    assert kinds == {"IntegrationWebhookToolResult", "OtherToolResult", "SystemToolResult", "WorkflowToolResult"}


def test_the_same_arguments_give_the_same_service_and_others_another() -> None:
    def everything(**settings: Any) -> list[bytes]:
        corpus = FakeConvAI(conversations=20, **settings).conversations
        return [corpus.document(conversation_id) for conversation_id in corpus]

    assert everything(seed=1) == everything(seed=1)
    assert everything(seed=1) != everything(seed=2)


def test_asking_in_another_order_changes_nothing() -> None:
    one, other = FakeConvAI(conversations=20), FakeConvAI(conversations=20)
    ids = list(one.conversations)
    forwards = {conversation_id: one.conversations.document(conversation_id) for conversation_id in ids}
    backwards = {conversation_id: other.conversations.document(conversation_id) for conversation_id in reversed(ids)}
    assert forwards == backwards


def test_a_summary_says_what_the_details_say() -> None:
    corpus = FakeConvAI(conversations=100, quirks=False).conversations
    summaries, _ = corpus.page(MultiDict(), 100, None)
    for summary in summaries:
        details = corpus.details(summary["conversation_id"])
        assert summary["status"] == details["status"]
        assert summary["agent_id"] == details["agent_id"]
        assert summary["message_count"] == len(details["transcript"])
        assert summary["start_time_unix_secs"] == details["metadata"]["start_time_unix_secs"]
        assert summary["call_duration_secs"] == details["metadata"]["call_duration_secs"]


def said(details: dict[str, Any]) -> str:
    return " ".join(turn["message"] or "" for turn in details["transcript"]).casefold()


def tools(details: dict[str, Any]) -> set[str]:
    return {call["tool_name"] for turn in details["transcript"] for call in turn["tool_calls"] or ()}


def result_of(details: dict[str, Any], criterion: str) -> str | None:
    analysis = details["analysis"] or {}
    result = analysis.get("evaluation_criteria_results", {}).get(criterion, {}).get("result")
    return result if isinstance(result, str) else None


FILTERS: dict[str, tuple[Any, Callable[[dict[str, Any]], bool]]] = {
    "agent_id": (AGENTS[0][0], lambda details: details["agent_id"] == AGENTS[0][0]),
    "call_successful": (
        "failure",
        lambda details: (details["analysis"] or {}).get("call_successful") == "failure",
    ),
    "call_duration_min_secs": (60, lambda details: details["metadata"]["call_duration_secs"] >= 60),
    "call_duration_max_secs": (60, lambda details: details["metadata"]["call_duration_secs"] <= 60),
    "call_start_after_unix": (
        1_779_000_000,
        lambda details: details["metadata"]["start_time_unix_secs"] >= 1_779_000_000,
    ),
    "call_start_before_unix": (
        1_779_000_000,
        lambda details: details["metadata"]["start_time_unix_secs"] <= 1_779_000_000,
    ),
    "search": ("order", lambda details: "order" in said(details)),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_a_filter_gives_what_it_names_and_nothing_else(client: ConvAIClient, fake: FakeConvAI, name: str) -> None:
    value, matches = FILTERS[name]
    details = map(fake.conversations.details, fake.conversations)
    expected = [item["conversation_id"] for item in details if matches(item)]
    found = await client.conversations.list(**{name: value}).collect()
    assert [summary.conversation_id for summary in found] == expected
    assert 0 < len(expected) < 250


async def test_tools_and_criteria_filter_too(client: ConvAIClient, fake: FakeConvAI) -> None:
    details = [fake.conversations.details(conversation_id) for conversation_id in fake.conversations]
    used = min(name for item in details for name in tools(item))
    found = await client.conversations.list(tool_names=[used]).collect()
    assert [summary.conversation_id for summary in found] == [
        item["conversation_id"] for item in details if used in tools(item)
    ]
    criterion = next(
        name for item in details for name in (item["analysis"] or {}).get("evaluation_criteria_results", {})
    )
    found = await client.conversations.list(evaluation_params=[f"{criterion}:success"]).collect()
    assert [summary.conversation_id for summary in found] == [
        item["conversation_id"] for item in details if result_of(item, criterion) == "success"
    ]
    assert found


async def ids_of(client: ConvAIClient, **filters: Any) -> list[str]:
    return [summary.conversation_id async for summary in client.conversations.list(**filters)]


async def test_collected_data_filters_too(client: ConvAIClient, fake: FakeConvAI) -> None:
    values: dict[str, dict[str, Any]] = {}
    for conversation_id in fake.conversations:
        analysis = fake.conversations.details(conversation_id)["analysis"] or {}
        for name, result in analysis.get("data_collection_results", {}).items():
            values.setdefault(name, {})[conversation_id] = result["value"]
    name, by_id = next(iter(values.items()))
    known = {conversation_id: str(value) for conversation_id, value in by_id.items() if value is not None}
    one = min(known.values())

    async def matching(condition: str) -> set[str]:
        return set(await ids_of(client, data_collection_params=[f"{name}:{condition}"]))

    everyone = set(fake.conversations)
    assert await matching("exists") == set(known)
    assert await matching("missing") == everyone - set(known)
    assert await matching(f"eq:{one}") == {key for key, value in known.items() if value == one}
    assert await matching(f"neq:{one}") == {key for key in everyone if known.get(key, "") != one}
    assert await matching(f"in:{one}|nothing") == {key for key, value in known.items() if value == one}
    assert await matching(f"gt:{one}") == {key for key, value in known.items() if value > one}
    assert await matching(f"gte:{one}") == set(known)
    assert await matching(f"lt:{one}") == everyone - set(known)
    assert await matching(f"lte:{one}") == {key for key in everyone if known.get(key, "") <= one}
    assert await matching("nonsense:1") == set()


async def test_ratings_comments_and_users_filter_too(client: ConvAIClient, fake: FakeConvAI) -> None:
    details = {conversation_id: fake.conversations.details(conversation_id) for conversation_id in fake.conversations}
    high = {summary.rating for summary in await client.conversations.list(rating_min=4).collect()}
    low = {summary.rating for summary in await client.conversations.list(rating_max=3).collect()}
    assert high == {4, 5}
    assert low
    assert low <= {1, 2, 3}
    commented = {key for key, item in details.items() if item["metadata"]["feedback"]["comment"] is not None}
    assert set(await ids_of(client, has_feedback_comment=True)) == commented
    assert set(await ids_of(client, has_feedback_comment=False)) == set(details) - commented
    user = next(item["user_id"] for item in details.values() if item["user_id"] is not None)
    assert set(await ids_of(client, user_id=user)) == {key for key, item in details.items() if item["user_id"] == user}


async def test_a_summary_s_text_comes_only_when_it_is_asked_for(client: ConvAIClient) -> None:
    without = await client.conversations.list()
    with_text = await client.conversations.list(summary_mode="include")
    assert not any(summary.transcript_summary for summary in without)
    assert any(summary.transcript_summary for summary in with_text)


@pytest.mark.parametrize(
    "query", [{"page_size": "x"}, {"summary_mode": "all"}, {"cursor": "nonsense"}, {"cursor": "!"}, {"cursor": "W10="}]
)
async def test_what_the_service_cannot_read_is_a_422(client: ConvAIClient, query: dict[str, str]) -> None:
    with pytest.raises(ConvAIError, match="422"):
        await client.request("GET", "/v1/convai/conversations", query=query)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/convai/conversation/token", 422),
        ("GET", "/v1/convai/conversation/get-signed-url", 422),
        ("GET", "/v1/convai/conversation/token?agent_id=none", 404),
        ("GET", "/v1/convai/conversation/get-signed-url?agent_id=none", 404),
        ("GET", "/v1/convai/agents/none/link", 404),
        ("GET", "/v1/convai/conversations/none", 404),
        ("GET", "/v1/convai/conversations/none/audio", 404),
        ("GET", "/v1/convai/conversations/none/sip-messages", 404),
        ("DELETE", "/v1/convai/conversations/none", 404),
        ("DELETE", "/v1/convai/conversations/none/files/none", 404),
        ("POST", "/v1/convai/conversations/none/feedback", 404),
        ("POST", "/v1/convai/conversations/none/files", 404),
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/convai/conversations", 404),
    ],
)
async def test_what_is_not_there_is_answered_as_the_service_does(
    fake: FakeConvAI, method: str, path: str, status: int
) -> None:
    headers = {"xi-api-key": fake.api_key}
    async with aiohttp.ClientSession(headers=headers) as session, session.request(method, fake.url + path) as reply:
        assert reply.status == status
        assert "detail" in await reply.json()


async def test_bodies_that_the_service_refuses(fake: FakeConvAI) -> None:
    base = f"{fake.url}/v1/convai/conversations/{next(iter(fake.conversations))}"
    async with aiohttp.ClientSession(headers={"xi-api-key": fake.api_key}) as session:
        async with session.post(f"{base}/feedback", json={"feedback": "meh"}) as reply:
            assert reply.status == 422
        async with session.post(f"{base}/files", data={"other": "x"}) as reply:
            assert reply.status == 422
        async with session.get(f"{base}/sip-messages?page_size=0") as reply:
            assert reply.status == 422


async def test_a_page_by_page_list_is_whole_while_conversations_come_and_go(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    there = list(fake.conversations)
    seen = []
    async for page in client.conversations.list(page_size=20).pages():
        seen += [summary.conversation_id for summary in page]
        fake.add_conversation()
        if seen[-1] in fake.conversations:
            await client.conversations.delete(seen[-1])
    assert seen == there


async def test_another_key_is_refused(fake: FakeConvAI) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{fake.url}/v1/convai/conversations") as reply:
        assert reply.status == 401


async def test_a_service_that_is_not_running_has_no_url() -> None:
    fake = FakeConvAI(conversations=1)
    with pytest.raises(RuntimeError, match="async with FakeConvAI"):
        _ = fake.url
    await fake.close()
    async with fake:
        assert fake.url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError):
        _ = fake.url


async def test_what_happens_later_shows(client: ConvAIClient, fake: FakeConvAI) -> None:
    new = fake.add_conversation(status="in-progress")
    assert next(iter(fake.conversations)) == new
    assert (await client.conversations.get(new)).status == "in-progress"
    fake.finish(new)
    first = await client.conversations.get(new)
    assert first.status == "done"
    fake.analyse_again(new)
    assert (await client.conversations.get(new)).analysis != first.analysis


async def test_the_limit_on_concurrency_refuses_what_is_over_it() -> None:
    async with (
        FakeConvAI(conversations=20, concurrency_limit=2, latency=(0.005, 0.01)) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client,
    ):
        async with client.conversations.get_many(fake.conversations, max_concurrency=10) as results:
            errors = [result.error async for result in results]
        assert fake.refused == sum(error is not None for error in errors) > 0
        assert fake.peak_in_flight == 2


async def test_a_rule_hits_as_often_as_it_says_and_only_its_operation(client: ConvAIClient, fake: FakeConvAI) -> None:
    once = client.with_options(retry=None)
    rule = fake.faults.add(faults.status(503), operation="get_conversation", times=2)
    await once.conversations.list()
    for _ in range(2):
        with pytest.raises(ConvAIError):
            await once.conversations.get(next(iter(fake.conversations)))
    await once.conversations.get(next(iter(fake.conversations)))
    assert (rule.hits, rule.times) == (2, 0)


async def test_a_rate_hits_about_that_share(fake: FakeConvAI) -> None:
    rule = fake.faults.add(faults.status(503), times=None, rate=0.3)
    async with (
        ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client,
        client.conversations.get_many(fake.conversations) as results,
    ):
        assert len([result async for result in results]) == 250
    assert 45 <= rule.hits <= 105


async def test_a_fault_that_needs_a_whole_body_says_so_for_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=10_000_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(attempts=1)) as client,
    ):
        fake.faults.add(faults.truncate())
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        async with client.conversations.audio.stream(recorded) as audio:
            async for _ in audio:
                pass
    assert "this fault needs a reply that the service does not stream" in caplog.text


@pytest.mark.parametrize("size", [0, 1, 417, 418, 100_000, 5_000_000])
def test_a_recording_has_exactly_the_size_that_was_asked_for(size: int) -> None:
    blocks = list(mp3.blocks(size))
    assert sum(map(len, blocks)) == size
    assert size < 2 or b"".join(blocks)[:2] == b"\xff\xf3"


def test_a_page_of_the_fake_decodes_as_a_page() -> None:
    body = msgspec.json.encode({"conversations": [], "has_more": False})
    assert decoder(ConversationsPage)(body).conversations == ()
