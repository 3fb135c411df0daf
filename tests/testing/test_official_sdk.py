"""The official SDK works with the fake service, and its strict models accept every response."""

from __future__ import annotations

import asyncio
import functools
import inspect
import queue
import threading
import warnings
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import httpx
import msgspec
import pytest
from every_endpoint import EXAMPLES, Existing, build_request, create_existing, record_method
from threaded_service import ThreadedService

from convai_async import ConvAIClient
from convai_async.endpoints import JSONBody
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.documents import AGENTS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK's own, on import
    import pydantic
    from elevenlabs.client import AsyncElevenLabs, ElevenLabs
    from elevenlabs.conversational_ai.conversation import (
        AsyncConversation,
        AudioInterface,
        ClientTools,
        Conversation,
        ConversationInitiationData,
    )
    from elevenlabs.core.api_error import ApiError
    from elevenlabs.types import GetConversationResponseModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from convai_async.testing.live import Turn

AGENT = AGENTS[0][0]


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    # The SDK's models are strict: the quirks of the real service break them.
    async with FakeConvAI(conversations=60, seed=5, quirks=False, audio_bytes=50_000) as service:
        yield service


@pytest.fixture
async def sdk(fake: FakeConvAI) -> AsyncIterator[Any]:
    async with httpx.AsyncClient() as http:
        yield AsyncElevenLabs(base_url=fake.url, api_key=fake.api_key, httpx_client=http)


def find_ticket(fake: FakeConvAI) -> tuple[str, str, str]:
    """Return the agent of a conversation with a ticket, the ticket's URL, and the conversation's id."""
    everything = map(fake.conversations.details, fake.conversations)
    details = next(each for each in everything if each["metadata"]["async_metadata"])
    link = details["metadata"]["async_metadata"]["external_link"]
    return details["agent_id"], link, details["conversation_id"]


async def test_sdk_lists_all_pages(sdk: Any, fake: FakeConvAI) -> None:
    seen, cursor = [], None
    while True:
        page = await sdk.conversational_ai.conversations.list(page_size=25, cursor=cursor)
        seen += [item.conversation_id for item in page.conversations]
        cursor = page.next_cursor
        if not page.has_more:
            break
    assert seen == list(fake.conversations)


async def test_sdk_gets_a_conversation(sdk: Any, fake: FakeConvAI) -> None:
    for conversation_id in list(fake.conversations)[:10]:
        conversation = await sdk.conversational_ai.conversations.get(conversation_id)
        details = fake.conversations.details(conversation_id)
        assert conversation.conversation_id == conversation_id
        assert [turn.message for turn in conversation.transcript] == [turn["message"] for turn in details["transcript"]]


async def test_sdk_deletes_a_conversation(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    await sdk.conversational_ai.conversations.delete(conversation_id)
    assert conversation_id not in fake.conversations


async def test_sdk_reads_a_recording(sdk: Any, fake: FakeConvAI) -> None:
    recorded = next(filter(fake.conversations.has_audio, fake.conversations))
    chunks = [chunk async for chunk in sdk.conversational_ai.conversations.audio.get(recorded)]
    assert sum(map(len, chunks)) == 50_000


async def test_sdk_rates_a_conversation(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    await sdk.conversational_ai.conversations.feedback.create(conversation_id, feedback="dislike")
    assert fake.conversations[conversation_id].feedback == "dislike"


async def test_sdk_gets_a_signed_url_a_token_and_a_link(sdk: Any) -> None:
    signed = await sdk.conversational_ai.conversations.get_signed_url(agent_id=AGENT, include_conversation_id=True)
    assert signed.signed_url.startswith("ws://")
    token = await sdk.conversational_ai.conversations.get_webrtc_token(agent_id=AGENT, participant_name="Ann")
    assert token.token
    link = await sdk.conversational_ai.agents.link.get(AGENT)
    assert link.agent_id == AGENT
    assert link.token.conversation_token


async def test_sdk_uploads_and_deletes_a_file(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    uploaded = await sdk.conversational_ai.conversations.files.create(
        conversation_id, file=("a.png", b"\x89PNG", "image/png")
    )
    assert fake.files == {(conversation_id, uploaded.file_id): b"\x89PNG"}
    await sdk.conversational_ai.conversations.files.delete(conversation_id, uploaded.file_id)
    assert fake.files == {}


async def test_sdk_reads_sip_messages(sdk: Any, fake: FakeConvAI) -> None:
    response = await sdk.conversational_ai.conversations.get_sip_messages(next(iter(fake.conversations)))
    assert response.sip_messages


async def test_sdk_finds_a_conversation_its_summary_and_messages(sdk: Any, fake: FakeConvAI) -> None:
    conversations = sdk.conversational_ai.conversations
    agent_id, url, conversation_id = find_ticket(fake)
    found = await conversations.resolve(agent_id=agent_id, reference=url)
    assert found.conversation_id == conversation_id
    summary = await conversations.get_summary(found.conversation_id, max_messages=1000)
    assert len(summary.messages) == summary.message_count
    shortened = await conversations.get_summary(found.conversation_id, max_messages=2)
    assert (shortened.messages, shortened.messages_omitted) == (None, True)
    assert (await conversations.messages.text_search(text_query="the", page_size=5)).results
    assert (await conversations.messages.search(text_query="the", page_size=5)).results


async def test_sdk_runs_an_analysis_and_an_evaluation(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    analysis = sdk.conversational_ai.conversations.analysis
    assert (await analysis.run(conversation_id)).conversation_id == conversation_id
    await analysis.run_evaluation(conversation_id, evaluation_id="solved", scope="conversation")
    assert fake.conversations[conversation_id].revision == 2


async def test_sdk_reads_a_file(sdk: Any, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    files = sdk.conversational_ai.conversations.files
    uploaded = await files.create(conversation_id, file=("a.png", b"\x89PNG", "image/png"))
    chunks = [chunk async for chunk in files.get(conversation_id, uploaded.file_id)]
    assert b"".join(chunks) == b"\x89PNG"


async def test_sdk_tags_conversations_and_lists_topics(sdk: Any, fake: FakeConvAI) -> None:
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


async def test_sdk_raises_its_errors(sdk: Any, fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(403, "no_access"))
    with pytest.raises(ApiError) as caught:
        await sdk.conversational_ai.conversations.get(next(iter(fake.conversations)))
    assert caught.value.status_code == 403
    with pytest.raises(ApiError) as caught:
        await sdk.conversational_ai.conversations.list(page_size=0)
    assert caught.value.status_code == 422


def find_sdk_method(client: Any, name: str, existing: Existing) -> tuple[Any, dict[str, Any]] | None:
    """Return the raw method of the SDK for an example, with its arguments; None if the SDK does not have it."""
    method = record_method(name, existing)
    *parents, last = ("conversations", "audio", "get") if name == "get_audio" else method.path
    try:
        raw = getattr(functools.reduce(getattr, parents, client.conversational_ai).with_raw_response, last)
    except AttributeError:
        return None
    arguments = dict(zip(inspect.signature(raw).parameters, method.arguments, strict=False)) | method.keywords
    if name == "create_file":
        arguments = {"conversation_id": existing.conversation_id, "file": ("a.pdf", b"%PDF", "application/pdf")}
    return raw, arguments


ONLY_IN_THE_OLDER_CONTRACT = {"initiation_trigger", "whatsapp_business_account_id"}
"""Fields that the service no longer has, but that the OpenAPI document still requires."""


def unknown_fields(value: Any, path: str = "") -> set[str]:
    """Return the names of fields that the SDK's types do not have."""
    if isinstance(value, list):
        return set().union(*(unknown_fields(item, path) for item in value)) if value else set()
    if not isinstance(value, pydantic.BaseModel):
        return set()
    found = set(value.model_extra or ())
    return found.union(*(unknown_fields(getattr(value, name), name) for name in type(value).model_fields))


def test_sdk_has_the_methods_of_the_examples() -> None:
    client = AsyncElevenLabs(api_key="key")
    assert sum(find_sdk_method(client, name, Existing()) is not None for name in EXAMPLES) >= 26, (
        "methods have the names of the SDK"
    )


MORE_ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    (
        "list_conversations",
        {"page_size": 60, "data_collection_ids": ["reason"], "evaluation_criteria_ids": ["solved"]},
    ),
    ("get_conversation", {"format": "opentelemetry"}),
    ("run_evaluation", {"scope": "agent"}),
    ("get_agent_topics", {"sort_direction": "asc"}),
]
"""Arguments that change the response."""


@pytest.mark.parametrize(("name", "more"), [*((name, {}) for name in EXAMPLES), *MORE_ARGUMENTS])
async def test_response_matches_the_type_of_the_sdk_strictly(
    sdk: Any, fake: FakeConvAI, name: str, more: dict[str, Any]
) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        existing = await create_existing(client, fake.conversations)
    found = find_sdk_method(sdk, name, existing)
    if found is None:
        pytest.skip(f"this version of the SDK does not have {name}")
    raw, arguments = found[0], found[1] | more
    expected = get_type_hints(raw)["return"]
    bodies: list[bytes] = []

    async def keep(response: Any) -> None:
        bodies.append(await response.aread())

    sdk._client_wrapper.httpx_client.httpx_client.event_hooks["response"].append(keep)
    outcome = raw(**arguments)
    if hasattr(outcome, "__aenter__"):
        async with outcome as response:
            assert b"".join([chunk async for chunk in response.data]) == bodies[0]
    else:
        await outcome
        (kind,) = get_args(expected)
        checked = pydantic.TypeAdapter(kind).validate_json(bodies[0], strict=True)
        assert unknown_fields(checked) <= ONLY_IN_THE_OLDER_CONTRACT
    theirs = fake.requests[-1]
    assert theirs.operation == name
    request = build_request(name, existing)
    assert (theirs.method, theirs.path) == (request.method, request.path)
    if more:
        return
    assert dict(theirs.query).items() >= dict(request.query).items()
    if isinstance(request.body, JSONBody):
        assert theirs.json == msgspec.json.decode(request.body.content)


async def test_every_conversation_matches_the_type_of_the_sdk_strictly(fake: FakeConvAI) -> None:
    kind = pydantic.TypeAdapter(GetConversationResponseModel)
    for conversation_id in fake.conversations:
        checked = kind.validate_json(fake.conversations.document(conversation_id), strict=True)
        assert unknown_fields(checked) <= ONLY_IN_THE_OLDER_CONTRACT


class SilentAudio(AudioInterface):
    """An audio interface that records what it is given, and speaks when it is told."""

    def __init__(self) -> None:
        self.played = bytearray()
        self.speak: Callable[[bytes], None] = lambda _: None

    def start(self, input_callback: Callable[[bytes], None]) -> None:
        self.speak = input_callback

    def stop(self) -> None:
        pass

    def output(self, audio: bytes) -> None:
        self.played += audio

    def interrupt(self) -> None:
        pass


@pytest.mark.parametrize("requires_auth", [True, False])
def test_sdk_holds_a_conversation_with_a_tool(requires_auth: bool) -> None:
    async def reply(turn: Turn) -> str:
        order = await turn.call_tool("lookup_order", {"number": 7})
        return f"{turn.text} It is {order.result}"

    said: queue.Queue[str] = queue.Queue()
    ended = threading.Event()
    tools = ClientTools()
    tools.register("lookup_order", lambda parameters: f"order {parameters['number']}")
    with ThreadedService(conversations=0, quirks=False) as fake, httpx.Client() as http:
        fake.live.add_agent("agent_1", first_message="Hello {{name}}!", reply=reply, private=requires_auth)
        audio = SilentAudio()
        conversation: Any = Conversation(
            ElevenLabs(base_url=fake.url, api_key=fake.api_key, httpx_client=http),
            "agent_1",
            requires_auth=requires_auth,
            audio_interface=audio,
            client_tools=tools,
            config=ConversationInitiationData(dynamic_variables={"name": "Ann"}),
            callback_agent_response=said.put,
            callback_latency_measurement=lambda _: None,
            callback_disconnect=lambda _: ended.set(),
        )
        conversation.start_session()
        assert said.get(timeout=60) == "Hello Ann!"
        conversation.send_user_message("Where is my order?")
        assert said.get(timeout=60) == "Where is my order? It is order 7"
        conversation.end_session()
        assert ended.wait(20)
        conversation_id = conversation.wait_for_session_end()
        assert conversation_id is not None
        live = fake.live[conversation_id]
        assert live.initiation["source_info"]["source"] == "python_sdk"
        assert live.pings[0].latency is not None
        assert live.authorization == ("signed_url" if requires_auth else "public")
        assert audio.played
        details = fake.conversations.details(conversation_id)
    assert [turn["message"] for turn in details["transcript"]] == [
        "Hello Ann!",
        "Where is my order?",
        None,
        "Where is my order? It is order 7",
    ]
    GetConversationResponseModel.model_validate(details)


async def test_sdk_holds_an_async_conversation_in_text(fake: FakeConvAI) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    ended = asyncio.Event()

    async def end(_details: object) -> None:
        ended.set()

    fake.live.add_agent("agent_1", text_only=True)
    conversation: Any = AsyncConversation(
        ElevenLabs(base_url=fake.url, api_key=fake.api_key),
        "agent_1",
        requires_auth=False,
        callback_agent_response=said.put,
        callback_disconnect=end,
    )
    await conversation.start_session()
    assert await said.get() == "Hello! How can I help you?"
    await conversation.send_user_message("Hi")
    assert await said.get() == "You said: Hi"
    await conversation.end_session()
    await ended.wait()
    assert await conversation.wait_for_session_end() == fake.live.conversations[0].conversation_id
