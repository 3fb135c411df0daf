"""The fake service matches the OpenAPI document and its own documentation."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import jsonschema
import msgspec
import pytest
from contract_models import ConversationsPage

from convai_async import ConvAIClient, RetryPolicy
from convai_async.errors import ConvAIError, ValidationError
from convai_async.models import Conversation, get_decoder
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.custom_conversations import build_summary
from convai_async.testing.documents import AGENTS
from convai_async.testing.routes import ROUTES, Route

CONTRACT = json.loads((Path(__file__).parents[1] / "data/openapi.json").read_text())


def replace_one_of(node: Any) -> Any:
    """Replace ``oneOf`` by ``anyOf``: the schema has ``oneOf`` of number and integer, which no integer matches."""
    if isinstance(node, dict):
        return {("anyOf" if name == "oneOf" else name): replace_one_of(value) for name, value in node.items()}
    return [replace_one_of(value) for value in node] if isinstance(node, list) else node


COMPONENTS = replace_one_of(copy.deepcopy(CONTRACT["components"]))


def validate(document: Any, schema: str) -> None:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": COMPONENTS}
    jsonschema.Draft202012Validator(whole).validate(document)


def test_every_conversation_matches_the_openapi_schema() -> None:
    fake = FakeConvAI(conversations=66, unfinished=2, quirks=False)
    for conversation_id in fake.conversations:
        validate(fake.conversations.details(conversation_id), "GetConversationResponseModel")


async def test_other_responses_match_the_openapi_schema() -> None:
    async with FakeConvAI(conversations=30, quirks=False) as fake:
        conversation_id = next(iter(fake.conversations))
        agent = AGENTS[0][0]
        responses = {
            "/v1/convai/conversations?page_size=10&summary_mode=include": "GetConversationsPageResponseModel",
            f"/v1/convai/conversation/get-signed-url?agent_id={agent}": "ConversationSignedUrlResponseModel",
            f"/v1/convai/conversation/token?agent_id={agent}": "TokenResponseModel",
            f"/v1/convai/agents/{agent}/link": "GetAgentLinkResponseModel",
            f"/v1/convai/conversations/{conversation_id}": "GetConversationResponseModel",
        }
        async with aiohttp.ClientSession(fake.url, headers={"xi-api-key": fake.api_key}) as session:
            for path, schema in responses.items():
                async with session.get(path) as response:
                    assert response.status == 200
                    assert response.headers["request-id"]
                    validate(await response.json(), schema)
            async with session.get("/v1/convai/conversations?page_size=0") as response:
                assert response.status == 422
                assert (await response.json())["detail"][0]["loc"] == ["query", "page_size"]


def test_documents_with_quirks_are_decoded() -> None:
    fake = FakeConvAI(conversations=200)
    for conversation_id in fake.conversations:
        conversation = Conversation.from_json(fake.conversations.document(conversation_id))
        assert conversation.conversation_id == conversation_id


def test_documents_have_all_kinds_of_tool_results() -> None:
    fake = FakeConvAI(conversations=300)
    kinds = set()
    for conversation_id in fake.conversations:
        for turn in Conversation.from_json(fake.conversations.document(conversation_id)).transcript:
            kinds |= {type(result).__name__ for result in turn.tool_results}
    assert kinds == {"IntegrationWebhookToolResult", "OtherToolResult", "SystemToolResult", "WorkflowToolResult"}


def test_price_of_a_conversation_is_that_of_its_models() -> None:
    corpus = FakeConvAI(conversations=20).conversations
    for conversation_id in corpus:
        document = json.loads(corpus.document(conversation_id))
        charging = document["metadata"]["charging"]
        (usage,) = charging["llm_usage"]["initiated_generation"]["model_usage"].values()
        assert charging["llm_price"] == pytest.approx(sum(each["price"] for each in usage.values()))


def test_same_seed_gives_the_same_documents() -> None:
    def everything(**settings: Any) -> list[bytes]:
        corpus = FakeConvAI(conversations=20, **settings).conversations
        return [corpus.document(conversation_id) for conversation_id in corpus]

    assert everything(seed=1) == everything(seed=1)
    assert everything(seed=1) != everything(seed=2)


def test_documents_do_not_depend_on_the_order_of_requests() -> None:
    one, other = FakeConvAI(conversations=20), FakeConvAI(conversations=20)
    ids = list(one.conversations)
    forwards = {conversation_id: one.conversations.document(conversation_id) for conversation_id in ids}
    backwards = {conversation_id: other.conversations.document(conversation_id) for conversation_id in reversed(ids)}
    assert forwards == backwards


def test_list_item_agrees_with_the_details() -> None:
    corpus = FakeConvAI(conversations=100, quirks=False).conversations
    summaries, _ = corpus.page({}, 100, None)
    for summary in summaries:
        details = corpus.details(summary["conversation_id"])
        assert summary == build_summary(details, with_text=False)
        assert summary["status"] == details["status"]
        assert summary["agent_id"] == details["agent_id"]
        assert summary["message_count"] == sum(bool(turn["message"]) for turn in details["transcript"])
        assert summary["start_time_unix_secs"] == details["metadata"]["start_time_unix_secs"]
        assert summary["call_duration_secs"] == details["metadata"]["call_duration_secs"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/conversations", "page_size=abc"),
        ("/conversations", "page_size=101"),
        ("/conversations", "page_size="),
        ("/conversations", "summary_mode=all"),
        ("/conversations", "cursor=nonsense"),
        ("/conversations", "cursor=!"),
        ("/conversations", "cursor=W10="),
        ("/conversations", "call_start_after_unix=yesterday"),
        ("/conversations", "rating_min=9"),
        ("/conversations", "rating_max=0"),
        ("/conversations", "has_feedback_comment=perhaps"),
        ("/conversations", "exclude_statuses=done&exclude_statuses=over"),
        ("/conversations", "guardrail_types=rude"),
        ("/conversations", "sort_direction=up"),
        ("/conversations", "agent_id=a&agent_id=b"),
        ("/conversations", "evaluation_params=solved"),
        ("/conversations", "evaluation_params=solved:perhaps"),
        ("/conversations", "data_collection_params=party_size:over:4"),
        ("/conversations", "data_collection_params=party_size:eq"),
        ("/conversations", "data_collection_filter=party_size:gt:many"),
        ("/conversations", "visited_agent_ids=a&" * 50 + "visited_agent_ids=a"),
        ("/conversations", "agent_ids=agent_front_desk"),
        ("/conversations/{id}", "format=bogus"),
        ("/conversations/{id}/summary", "max_messages=-1"),
        ("/conversations/{id}/summary", "max_messages=abc"),
        ("/conversations/{id}/sip-messages", "page_size=0"),
        ("/conversations/{id}/sip-messages", "cursor=abc"),
        ("/conversations/messages/text-search", "text_query=the&page_size=51"),
        ("/conversations/messages/text-search", "text_query=the&page_size=abc"),
        ("/conversations/messages/text-search", "text_query=the&cursor=abc"),
        ("/conversations/messages/text-search", "text_query=the&sort_by=luck"),
        ("/conversations/messages/smart-search", ""),
        ("/conversations/messages/smart-search", "text_query= "),
        ("/conversations/resolve", "agent_id=agent_front_desk&reference=CA00000001"),
        ("/conversation/token", ""),
        ("/conversation/get-signed-url", "agent_id="),
        ("/conversation/get-signed-url", "agent_id=agent_front_desk&include_conversation_id=x"),
        ("/tags", "page_size=0"),
        ("/tags", "page_size=abc"),
        ("/tags", "cursor=abc"),
        ("/agents/agent_front_desk/topics", "page_size=abc"),
        ("/agents/agent_front_desk/topics", "cursor=abc"),
        ("/agents/agent_front_desk/topics", "from_unix_secs=x"),
        ("/agents/agent_front_desk/topics", "from_unix_secs=20&to_unix_secs=10"),
    ],
)
async def test_invalid_parameter_gets_a_422_that_names_it(
    client: ConvAIClient, fake: FakeConvAI, path: str, query: str
) -> None:
    target = path.format(id=next(iter(fake.conversations)))
    pairs: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        pairs.setdefault(name, []).append(value)
    with pytest.raises(ValidationError) as caught:
        await client.request("GET", f"/v1/convai{target}", query=pairs)
    location = caught.value.errors[0].location
    assert location[0] == "query"
    assert location[1] in {*pairs, "agent_id", "text_query"}


async def test_unknown_parameters_can_be_ignored() -> None:
    async with (
        FakeConvAI(conversations=3, ignore_unknown_parameters=True) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        page = await client.request("GET", "/v1/convai/conversations", query={"agents": "none"})
        assert len(page["conversations"]) == 3
        tag = await client.request("POST", "/v1/convai/tags", json={"title": "a", "colour": "red"})
        assert "colour" not in tag


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/conversations/{id}/feedback", b""),
        ("POST", "/conversations/{id}/feedback", b'{"feedback": "meh"}'),
        ("POST", "/conversations/{id}/feedback", b'{"feedbak": "like"}'),
        ("POST", "/conversations/{id}/analysis/evaluations/run", b""),
        ("POST", "/conversations/{id}/analysis/evaluations/run", b"{}"),
        ("POST", "/conversations/{id}/analysis/evaluations/run", b'{"evaluation_id": "solved", "scope": "world"}'),
        ("POST", "/conversations/{id}/tags", b""),
        ("POST", "/conversations/{id}/tags", b'{"tag_ids": "tag_1"}'),
        ("POST", "/tags", b""),
        ("POST", "/tags", b"[]"),
        ("POST", "/tags", b'{"title": ""}'),
        ("POST", "/tags", b"\xff"),
        ("PATCH", "/tags/{tag}", b'{"descripton": "x"}'),
        ("PATCH", "/tags/{tag}", b'{"title": null}'),
        ("POST", "/conversations/{id}/files", b"--x--"),
    ],
)
async def test_invalid_body_gets_a_422(
    client: ConvAIClient, fake: FakeConvAI, method: str, path: str, body: bytes
) -> None:
    tag = await client.conversations.tags.create("urgent")
    target = path.format(id=next(iter(fake.conversations)), tag=tag.tag_id)
    headers = {"xi-api-key": fake.api_key, "content-type": "application/json"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{fake.url}/v1/convai{target}", data=body) as response,
    ):
        assert response.status == 422
        assert (await response.json())["detail"][0]["loc"][0] == "body"


async def test_malformed_upload_gets_a_400(fake: FakeConvAI) -> None:
    url = f"{fake.url}/v1/convai/conversations/{next(iter(fake.conversations))}/files"
    headers = {"xi-api-key": fake.api_key, "content-type": "multipart/form-data"}
    async with aiohttp.ClientSession() as session, session.post(url, data=b"x", headers=headers) as response:
        assert response.status == 400


@pytest.mark.parametrize("operation", ROUTES.values(), ids=ROUTES)
async def test_unsupported_method_gets_a_405_with_the_allowed_ones(fake: FakeConvAI, operation: Route) -> None:
    path = operation.path.format(conversation_id="conv_1", agent_id="agent_1", file_id="file_1", tag_id="tag_1")
    allowed = {method for each in ROUTES.values() if each.path == operation.path for method in each.methods}
    async with aiohttp.ClientSession(headers={"xi-api-key": fake.api_key}) as session:
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed:
            async with session.request(method, fake.url + path) as response:
                if response.status == 404 and operation.path.count("/") == 4:
                    continue  # the path also matches that of a conversation
                assert (method, response.status) == (method, 405)
                assert set(response.headers["allow"].split(", ")) >= allowed


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
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
    ],
)
async def test_missing_resource_gets_a_404(fake: FakeConvAI, method: str, path: str, status: int) -> None:
    headers = {"xi-api-key": fake.api_key}
    async with aiohttp.ClientSession(headers=headers) as session, session.request(method, fake.url + path) as response:
        assert response.status == status
        assert "detail" in await response.json()


async def test_list_is_complete_while_conversations_are_added_and_deleted(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    there = list(fake.conversations)
    seen = []
    async for page in client.conversations.list(page_size=20).pages():
        seen += [summary.conversation_id for summary in page]
        fake.add()
        if seen[-1] in fake.conversations:
            await client.conversations.delete(seen[-1])
    assert seen == there


async def test_wrong_key_gets_a_401(fake: FakeConvAI) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{fake.url}/v1/convai/conversations") as response:
        assert response.status == 401


async def test_url_raises_when_the_service_is_not_running() -> None:
    fake = FakeConvAI(conversations=1)
    with pytest.raises(RuntimeError, match="async with FakeConvAI"):
        _ = fake.url
    await fake.close()
    async with fake:
        assert fake.url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError):
        _ = fake.url


@pytest.mark.parametrize("steps", range(4))
async def test_closing_while_connections_are_accepted_leaves_none_open(steps: int) -> None:
    fake = FakeConvAI(conversations=1)
    await fake.start()
    address = urlsplit(fake.url)
    connections = [socket.create_connection((address.hostname, address.port)) for _ in range(20)]
    for _ in range(steps):
        await asyncio.sleep(0)
    await fake.close()
    await fake.start(address.port or 0)
    for connection in connections:
        with connection, contextlib.suppress(ConnectionError):  # or an orderly end
            connection.settimeout(1)
            assert connection.recv(1) == b""
    await fake.close()


async def test_finish_and_analyse_again_change_the_conversation(client: ConvAIClient, fake: FakeConvAI) -> None:
    new = fake.add(status="in-progress")
    assert next(iter(fake.conversations)) == new
    assert (await client.conversations.get(new)).status == "in-progress"
    fake.finish(new)
    first = await client.conversations.get(new)
    assert first.status == "done"
    fake.analyse_again(new)
    assert (await client.conversations.get(new)).analysis != first.analysis


async def test_requests_above_the_concurrency_limit_are_refused() -> None:
    async with (
        FakeConvAI(conversations=20, concurrency_limit=2, latency=(0.005, 0.01)) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client,
    ):
        async with client.conversations.get_many(fake.conversations, max_concurrency=10) as results:
            errors = [result.error async for result in results]
        assert fake.refused == sum(error is not None for error in errors) > 0
        assert fake.peak_in_flight == 2


async def test_fault_hits_its_operation_and_the_given_number_of_times(client: ConvAIClient, fake: FakeConvAI) -> None:
    once = client.with_options(retry=None)
    rule = fake.faults.add(faults.status(503), operation="get_conversation", times=2)
    await once.conversations.list()
    for _ in range(2):
        with pytest.raises(ConvAIError):
            await once.conversations.get(next(iter(fake.conversations)))
    await once.conversations.get(next(iter(fake.conversations)))
    assert (rule.hits, rule.times) == (2, 0)


async def test_fault_with_a_rate_hits_about_that_fraction(fake: FakeConvAI) -> None:
    rule = fake.faults.add(faults.status(503), times=None, rate=0.3)
    async with (
        ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client,
        client.conversations.get_many(fake.conversations) as results,
    ):
        assert len([result async for result in results]) == 250
    assert 45 <= rule.hits <= 105


async def test_fault_that_needs_a_whole_body_raises_type_error_for_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=10_000_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(attempts=1)) as client,
    ):
        fake.faults.add(faults.truncate())
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        async with client.conversations.audio.stream(recorded) as audio:
            async for _ in audio:
                pass
    assert "this fault does not support streamed responses" in caplog.text


def test_empty_page_is_decoded() -> None:
    body = msgspec.json.encode({"conversations": [], "has_more": False})
    assert get_decoder(ConversationsPage)(body).conversations == ()
