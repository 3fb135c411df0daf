"""The official SDK as the fake service's client: so that the service is not only our own idea of it."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

import pytest

from convai_async.testing import FakeConvAI, faults
from convai_async.testing.documents import AGENTS
from convai_async.testing.routes import ROUTES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK's own, on import
    import pydantic
    from elevenlabs.client import AsyncElevenLabs
    from elevenlabs.core.api_error import ApiError
    from elevenlabs.types import GetConversationResponseModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

AGENT = AGENTS[0][0]


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    # The SDK's models are strict: the quirks of the real service break them.
    async with FakeConvAI(conversations=60, seed=5, quirks=False, audio_bytes=50_000) as service:
        yield service


@pytest.fixture
async def sdk(fake: FakeConvAI) -> AsyncIterator[Any]:
    import httpx  # noqa: PLC0415

    async with httpx.AsyncClient() as http:
        yield AsyncElevenLabs(base_url=fake.url, api_key=fake.api_key, httpx_client=http)


def referenced(fake: FakeConvAI) -> tuple[str, str, str]:
    """Return the agent of a conversation with a ticket, the ticket's URL, and the conversation's id."""
    everything = map(fake.conversations.details, fake.conversations)
    details = next(each for each in everything if each["metadata"]["async_metadata"])
    link = details["metadata"]["async_metadata"]["external_link"]
    return details["agent_id"], link, details["conversation_id"]


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
    agent_id, url, conversation_id = referenced(fake)
    found = await conversations.resolve(agent_id=agent_id, reference=url)
    assert found.conversation_id == conversation_id
    summary = await conversations.get_summary(found.conversation_id, max_messages=1000)
    assert len(summary.messages) == summary.message_count
    shortened = await conversations.get_summary(found.conversation_id, max_messages=2)
    assert (shortened.messages, shortened.messages_omitted) == (None, True)
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


class Given(NamedTuple):
    """What there is to ask about."""

    conversation_id: str
    file_id: str
    tag_id: str
    reference: tuple[str, str]


CALLS: dict[str, tuple[str, Callable[[Given], dict[str, Any]]]] = {
    "list_conversations": (
        "conversations.list",
        lambda _: {"page_size": 60, "data_collection_ids": ["reason"], "evaluation_criteria_ids": ["solved"]},
    ),
    "get_conversation": (
        "conversations.get",
        lambda given: {"conversation_id": given.conversation_id, "format": "opentelemetry"},
    ),
    "delete_conversation": ("conversations.delete", lambda given: {"conversation_id": given.conversation_id}),
    "get_conversation_summary": (
        "conversations.get_summary",
        lambda given: {"conversation_id": given.conversation_id, "max_messages": 1000},
    ),
    "resolve_conversation": (
        "conversations.resolve",
        lambda given: dict(zip(("agent_id", "reference"), given.reference, strict=True)),
    ),
    "get_sip_messages": ("conversations.get_sip_messages", lambda given: {"conversation_id": given.conversation_id}),
    "get_signed_url": ("conversations.get_signed_url", lambda _: {"agent_id": AGENT, "include_conversation_id": True}),
    "get_webrtc_token": ("conversations.get_webrtc_token", lambda _: {"agent_id": AGENT, "participant_name": "Ann"}),
    "get_audio": ("conversations.audio.get", lambda given: {"conversation_id": given.conversation_id}),
    "create_feedback": (
        "conversations.feedback.create",
        lambda given: {"conversation_id": given.conversation_id, "feedback": "like"},
    ),
    "create_file": (
        "conversations.files.create",
        lambda given: {"conversation_id": given.conversation_id, "file": ("a.txt", b"text", "text/plain")},
    ),
    "get_file": (
        "conversations.files.get",
        lambda given: {"conversation_id": given.conversation_id, "file_id": given.file_id},
    ),
    "delete_file": (
        "conversations.files.delete",
        lambda given: {"conversation_id": given.conversation_id, "file_id": given.file_id},
    ),
    "run_analysis": ("conversations.analysis.run", lambda given: {"conversation_id": given.conversation_id}),
    "run_evaluation": (
        "conversations.analysis.run_evaluation",
        lambda given: {"conversation_id": given.conversation_id, "evaluation_id": "solved", "scope": "agent"},
    ),
    "text_search_messages": ("conversations.messages.text_search", lambda _: {"text_query": "refund"}),
    "search_messages": ("conversations.messages.search", lambda _: {"text_query": "refund"}),
    "list_tags": ("conversations.tags.list", lambda _: {"page_size": 1}),
    "create_tag": ("conversations.tags.create", lambda _: {"title": "urgent", "description": "soon"}),
    "get_tag": ("conversations.tags.get", lambda given: {"tag_id": given.tag_id}),
    "update_tag": ("conversations.tags.update", lambda given: {"tag_id": given.tag_id, "title": "calm"}),
    "delete_tag": ("conversations.tags.delete", lambda given: {"tag_id": given.tag_id}),
    "assign_tags": (
        "conversations.tags.assign",
        lambda given: {"conversation_id": given.conversation_id, "tag_ids": [given.tag_id]},
    ),
    "unassign_tag": (
        "conversations.tags.unassign",
        lambda given: {"conversation_id": given.conversation_id, "tag_id": given.tag_id},
    ),
    "get_agent_topics": (
        "conversations.topics.get",
        lambda _: {"agent_id": AGENT, "from_unix_secs": 1, "sort_by": "sentiment", "sort_direction": "asc"},
    ),
    "get_agent_link": ("agents.link.get", lambda _: {"agent_id": AGENT}),
}
"""How the SDK asks for each operation."""

ONLY_IN_THE_OLDER_CONTRACT = {"initiation_trigger", "whatsapp_business_account_id"}
"""Fields that the service no longer has, and the contract still requires."""


def unknown_fields(value: Any, path: str = "") -> set[str]:
    """Return the names of fields that the SDK's types do not have."""
    if isinstance(value, list):
        return set().union(*(unknown_fields(item, path) for item in value)) if value else set()
    if not isinstance(value, pydantic.BaseModel):
        return set()
    found = set(value.model_extra or ())
    return found.union(*(unknown_fields(getattr(value, name), name) for name in type(value).model_fields))


def test_every_operation_is_asked_for_by_the_sdk() -> None:
    assert CALLS.keys() == ROUTES.keys()
    assert len(CALLS) == 26


@pytest.mark.parametrize("operation", CALLS)
async def test_a_reply_is_strictly_of_the_sdk_s_type(sdk: Any, fake: FakeConvAI, operation: str) -> None:
    conversation_id = next(filter(fake.conversations.has_audio, fake.conversations))
    conversations = sdk.conversational_ai.conversations
    file = await conversations.files.create(conversation_id, file=("a.png", b"PNG", "image/png"))
    tag = await conversations.tags.create(title="calm")
    await conversations.tags.assign(conversation_id, tag_ids=[tag.tag_id])
    given = Given(conversation_id, file.file_id, tag.tag_id, referenced(fake)[:2])

    name, arguments = CALLS[operation]
    *parents, last = name.split(".")
    resource = functools.reduce(getattr, parents, sdk.conversational_ai)
    raw = getattr(resource.with_raw_response, last)
    expected = get_type_hints(raw)["return"]
    bodies: list[bytes] = []

    async def keep(response: Any) -> None:
        bodies.append(await response.aread())

    sdk._client_wrapper.httpx_client.httpx_client.event_hooks["response"].append(keep)
    outcome = raw(**arguments(given))
    if hasattr(outcome, "__aenter__"):
        async with outcome as response:
            assert b"".join([chunk async for chunk in response.data]) == bodies[0]
    else:
        await outcome
        (kind,) = get_args(expected)
        checked = pydantic.TypeAdapter(kind).validate_json(bodies[0], strict=True)
        assert unknown_fields(checked) <= ONLY_IN_THE_OLDER_CONTRACT
    assert fake.requests[-1].operation == operation


async def test_every_conversation_is_strictly_of_the_sdk_s_type(fake: FakeConvAI) -> None:
    kind = pydantic.TypeAdapter(GetConversationResponseModel)
    for conversation_id in fake.conversations:
        checked = kind.validate_json(fake.conversations.document(conversation_id), strict=True)
        assert unknown_fields(checked) <= ONLY_IN_THE_OLDER_CONTRACT
