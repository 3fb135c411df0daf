"""Valid documents of all kinds that the client reads, from the OpenAPI schema and from the fake service."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import contract_models
import msgspec
from contract_documents import SCHEMAS, Maker
from every_endpoint import EXAMPLES, Existing, create_existing, get_result_type

from convai_async import ConvAIClient, endpoints, models
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.models import Model
    from convai_async.testing.faults import Proceed

CONTRACT: dict[type[Model], str] = {
    models.Conversation: "GetConversationResponseModel",
    contract_models.ConversationsPage: "GetConversationsPageResponseModel",
    models.ConversationSummary: "ConversationSummaryResponseModel",
    models.TranscriptTurn: "ConversationHistoryTranscriptCommonModel-Output",
    models.SignedUrl: "ConversationSignedUrlResponseModel",
    models.WebRTCToken: "TokenResponseModel",
    models.AgentLink: "GetAgentLinkResponseModel",
}
"""The models of which the OpenAPI document has a schema, with its name."""

PAGES: dict[type[Model], tuple[str, ...]] = {
    contract_models.ConversationsPage: ("list_conversations",),
    contract_models.SipMessagesPage: ("get_sip_messages",),
    contract_models.MessageHitsPage: ("text_search_messages", "search_messages"),
    contract_models.ConversationTagsPage: ("list_tags",),
    contract_models.AgentTopicsPage: ("get_agent_topics",),
}
"""The models of whole pages, with the endpoints that return them."""

JSON_ENDPOINTS = [name for name in EXAMPLES if hasattr(endpoints, name) and get_result_type(name) is not None]
"""The endpoints whose result is read from JSON."""

_SHARES = [(seed, share) for seed in range(12) for share in (0.1, 0.3, 0.6)]
"""Seeds of documents, and the share of the optional fields that they have."""


def find_model(name: str) -> type[Model]:
    """Return the model of an endpoint's result, or of the items of its page."""
    result = get_result_type(name)
    model: type[Model] = get_args(result)[0] if get_args(result) else result
    return model


MODELS = tuple(dict.fromkeys([*CONTRACT, *PAGES, *map(find_model, JSON_ENDPOINTS)]))
"""All models that are read from responses."""


class Seeds(NamedTuple):
    """Valid documents.

    Attributes:
        existing: The ids with which the responses were requested.
        responses: The bodies of responses by endpoint.
        documents: Documents by model.
    """

    existing: Existing
    responses: dict[str, list[bytes]]
    documents: dict[type[Model], list[bytes]]


async def collect_seeds() -> Seeds:
    """Generate documents from the OpenAPI schema, and collect the responses of the fake service to all examples."""
    documents: dict[type[Model], list[bytes]] = {
        model: [msgspec.json.encode(Maker(seed, optional=share).make(SCHEMAS[name])) for seed, share in _SHARES]
        for model, name in CONTRACT.items()
    }
    async with (
        FakeConvAI(conversations=24, unfinished=2, gzip=False) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        existing = await create_existing(client, fake.conversations)
        conversations = [_shorten(fake.conversations.details(each)) for each in fake.conversations]
        responses = await _collect_responses(fake, client, existing)
    for name in JSON_ENDPOINTS:
        bodies = responses[name]
        if get_args(get_result_type(name)):
            pages = [msgspec.json.decode(body) for body in bodies]
            items = [item for page in pages for value in page.values() if isinstance(value, list) for item in value]
            bodies = [msgspec.json.encode(item) for item in items]
        documents.setdefault(find_model(name), []).extend(bodies)
    for model, names in PAGES.items():
        documents.setdefault(model, []).extend(body for name in names for body in responses[name])
    documents[models.Conversation] += conversations
    return Seeds(existing, responses, documents)


async def _collect_responses(fake: FakeConvAI, client: ConvAIClient, existing: Existing) -> dict[str, list[bytes]]:
    responses: dict[str, list[bytes]] = defaultdict(list)

    async def record(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        response: Any = await proceed()
        responses[request.match_info.route.name or ""].append(bytes(response.body))
        return response  # type: ignore[no-any-return]

    fake.faults.add(record, times=None)
    await client.conversations.list(page_size=3, summary_mode="include")
    deleting = [name for name in EXAMPLES if name.startswith("delete_")]
    for name in sorted(EXAMPLES, key=deleting.__contains__):
        await EXAMPLES[name](client, existing)
    return responses


def _shorten(details: dict[str, Any]) -> bytes:
    with_tools = [turn for turn in details["transcript"] if turn["tool_calls"] or turn["tool_results"]]
    return msgspec.json.encode(details | {"transcript": details["transcript"][:2] + with_tools[:2]})
