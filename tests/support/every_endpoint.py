"""One example for each endpoint, with the type of its result, which mypy and pyright check.

Tests that must hold for all endpoints run these examples: against the fake service, against the official SDK, with
faults, mutated responses, invalid ids and cancellation.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, assert_type, cast, get_args

from convai_async import AudioStream, ConvAIClient, Page, endpoints
from convai_async.models import (
    AgentLink,
    AgentTopic,
    Conversation,
    ConversationSummary,
    ConversationSummaryWithMessages,
    ConversationTag,
    FileUpload,
    MessageHit,
    SignedUrl,
    SipMessage,
    WebRTCToken,
)

if TYPE_CHECKING:
    from convai_async.endpoints import Request
    from convai_async.testing import Corpus


@dataclass(frozen=True)
class Existing:
    """The ids of an agent, a conversation, a file and a tag that exist, and a URL that refers to the conversation."""

    agent_id: str = "agent_1"
    conversation_id: str = "conv_1"
    file_id: str = "file_1"
    tag_id: str = "tag_1"
    reference: str = "https://example.zendesk.com/agent/tickets/1"


Example = Callable[[ConvAIClient, Existing], Awaitable[object]]
"""Uses the method of an endpoint and returns its result."""

EXAMPLES: dict[str, Example] = {}
"""The examples by the name of the endpoint function."""


def example(function: Example) -> Example:
    """Register an example; its name is that of the function in `convai_async.endpoints`."""
    EXAMPLES[function.__name__] = function
    return function


@example
async def list_conversations(client: ConvAIClient, _: Existing) -> object:
    return assert_type(await client.conversations.list(page_size=3), Page[ConversationSummary])


@example
async def get_conversation(client: ConvAIClient, existing: Existing) -> object:
    return assert_type(await client.conversations.get(existing.conversation_id), Conversation)


@example
async def resolve_conversation(client: ConvAIClient, existing: Existing) -> object:
    conversation = await client.conversations.resolve(agent_id=existing.agent_id, reference=existing.reference)
    return assert_type(conversation, Conversation)


@example
async def get_conversation_summary(client: ConvAIClient, existing: Existing) -> object:
    summary = await client.conversations.get_summary(existing.conversation_id, max_messages=1000)
    return assert_type(summary, ConversationSummaryWithMessages)


@example
async def delete_conversation(client: ConvAIClient, existing: Existing) -> None:
    await client.conversations.delete(existing.conversation_id)


@example
async def get_signed_url(client: ConvAIClient, existing: Existing) -> object:
    signed = await client.conversations.get_signed_url(agent_id=existing.agent_id, include_conversation_id=True)
    return assert_type(signed, SignedUrl)


@example
async def get_webrtc_token(client: ConvAIClient, existing: Existing) -> object:
    token = await client.conversations.get_webrtc_token(agent_id=existing.agent_id, participant_name="Ann")
    return assert_type(token, WebRTCToken)


@example
async def get_sip_messages(client: ConvAIClient, existing: Existing) -> object:
    page = await client.conversations.get_sip_messages(existing.conversation_id, page_size=3)
    return assert_type(page, Page[SipMessage])


@example
async def run_analysis(client: ConvAIClient, existing: Existing) -> object:
    return assert_type(await client.conversations.analysis.run(existing.conversation_id), Conversation)


@example
async def run_evaluation(client: ConvAIClient, existing: Existing) -> object:
    conversation = await client.conversations.analysis.run_evaluation(
        existing.conversation_id, evaluation_id="solved", scope="conversation"
    )
    return assert_type(conversation, Conversation)


@example
async def get_audio(client: ConvAIClient, existing: Existing) -> object:
    async with client.conversations.audio.stream(existing.conversation_id) as stream:
        assert_type(stream, AudioStream)
        return b"".join([chunk async for chunk in stream])


@example
async def create_feedback(client: ConvAIClient, existing: Existing) -> None:
    await client.conversations.feedback.create(existing.conversation_id, feedback="like")


@example
async def create_file(client: ConvAIClient, existing: Existing) -> object:
    file = await client.conversations.files.create(existing.conversation_id, b"%PDF", filename="a.pdf")
    return assert_type(file, FileUpload)


@example
async def get_file(client: ConvAIClient, existing: Existing) -> object:
    async with client.conversations.files.get(existing.conversation_id, existing.file_id) as stream:
        assert_type(stream, AudioStream)
        return b"".join([chunk async for chunk in stream])


@example
async def delete_file(client: ConvAIClient, existing: Existing) -> None:
    await client.conversations.files.delete(existing.conversation_id, existing.file_id)


@example
async def text_search_messages(client: ConvAIClient, _: Existing) -> object:
    page = await client.conversations.messages.text_search(text_query="refund", page_size=3)
    return assert_type(page, Page[MessageHit])


@example
async def search_messages(client: ConvAIClient, _: Existing) -> object:
    return assert_type(await client.conversations.messages.search(text_query="refund", page_size=3), Page[MessageHit])


@example
async def list_tags(client: ConvAIClient, _: Existing) -> object:
    return assert_type(await client.conversations.tags.list(page_size=3), Page[ConversationTag])


@example
async def create_tag(client: ConvAIClient, _: Existing) -> object:
    return assert_type(await client.conversations.tags.create(title="urgent", description="soon"), ConversationTag)


@example
async def get_tag(client: ConvAIClient, existing: Existing) -> object:
    return assert_type(await client.conversations.tags.get(existing.tag_id), ConversationTag)


@example
async def update_tag(client: ConvAIClient, existing: Existing) -> object:
    return assert_type(await client.conversations.tags.update(existing.tag_id, title="calm"), ConversationTag)


@example
async def delete_tag(client: ConvAIClient, existing: Existing) -> None:
    await client.conversations.tags.delete(existing.tag_id)


@example
async def assign_tags(client: ConvAIClient, existing: Existing) -> None:
    await client.conversations.tags.assign(existing.conversation_id, tag_ids=[existing.tag_id])


@example
async def unassign_tag(client: ConvAIClient, existing: Existing) -> None:
    await client.conversations.tags.unassign(existing.conversation_id, existing.tag_id)


@example
async def get_agent_link(client: ConvAIClient, existing: Existing) -> object:
    return assert_type(await client.agents.link.get(existing.agent_id), AgentLink)


@example
async def get_agent_topics(client: ConvAIClient, existing: Existing) -> object:
    page = await client.conversations.topics.get(existing.agent_id, from_unix_secs=1, sort_by="sentiment")
    return assert_type(page, Page[AgentTopic])


async def create_existing(client: ConvAIClient, conversations: Corpus, number: int = 0) -> Existing:
    """Choose a conversation that has a recording and a ticket, and create a file and a tag for it.

    Args:
        client: The client of the service.
        conversations: The conversations of the service.
        number: The number of conversations to skip, for examples that delete them.
    """
    suitable = (each for each in conversations if conversations.has_audio(each) and _get_ticket(conversations, each))
    conversation_id = next(islice(suitable, number, None))
    tag = await client.conversations.tags.create("urgent")
    await client.conversations.tags.assign(conversation_id, tag_ids=[tag.tag_id])
    file = await client.conversations.files.create(conversation_id, b"%PDF", filename="a.pdf")
    agent_id = conversations.details(conversation_id)["agent_id"]
    reference = _get_ticket(conversations, conversation_id)
    return Existing(agent_id, conversation_id, file.file_id, tag.tag_id, reference)


def _get_ticket(conversations: Corpus, conversation_id: str) -> str:
    ticket: dict[str, str] = conversations.details(conversation_id)["metadata"]["async_metadata"] or {}
    return ticket.get("external_link", "")


@dataclass(frozen=True)
class UsedMethod:
    """The method of the client that an example uses, with its arguments.

    Attributes:
        path: Its path from the client, such as ``("conversations", "tags", "get")``.
        arguments: The positional arguments.
        keywords: The keyword arguments.
    """

    path: tuple[str, ...]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


class _MethodUsedError(Exception):
    def __init__(self, method: UsedMethod) -> None:
        super().__init__(method)
        self.method = method


class _Recorder:
    """Takes the place of a client, and raises `_MethodUsedError` when one of its methods is called."""

    def __init__(self, path: tuple[str, ...] = ()) -> None:
        self._path = path

    def __getattr__(self, name: str) -> _Recorder:
        return _Recorder((*self._path, name))

    def __call__(self, *arguments: Any, **keywords: Any) -> NoReturn:
        raise _MethodUsedError(UsedMethod(self._path, arguments, keywords))


def record_method(name: str, existing: Existing | None = None) -> UsedMethod:
    """Return the method that an example uses, without a client and without an event loop."""
    coroutine = EXAMPLES[name](cast("ConvAIClient", _Recorder()), existing or Existing())
    try:
        coroutine.__await__().__next__()
    except _MethodUsedError as error:
        return error.method
    raise AssertionError(f"the example {name} uses no method of the client")


def build_request(name: str, existing: Existing | None = None) -> Request[Any]:
    """Build the request of an example with its function in `convai_async.endpoints`."""
    method = record_method(name, existing)
    function = getattr(endpoints, name)
    if name == "create_file":  # the method reads the file and guesses its type
        return cast("Request[Any]", function(*method.arguments, **method.keywords, content_type="application/pdf"))
    return cast("Request[Any]", function(*method.arguments, **method.keywords))


def find_id_fields(name: str) -> list[str]:
    """Return the fields of `Existing` that an example passes on."""
    values = {field.name: f"value of {field.name}" for field in fields(Existing)}
    method = record_method(name, replace(Existing(), **values))
    passed = repr((method.arguments, method.keywords))
    return [field for field, value in values.items() if value in passed]


def get_result_type(name: str) -> Any:
    """Return the type of an endpoint's result: a model, ``Page[model]``, or None for no content and for streams."""
    assert hasattr(endpoints, name), f"convai_async/endpoints/ lacks a function {name} in __all__"
    function = inspect.unwrap(getattr(endpoints, name))
    request: Any = eval(function.__annotations__["return"], vars(inspect.getmodule(function)))
    (result,) = get_args(request)
    return None if result is type(None) else result
