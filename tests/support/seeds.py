"""Good documents of every kind that the client reads: from the fake service, and from the contract."""

from __future__ import annotations

from typing import Any

import contract_models
import msgspec
from contract_documents import SCHEMAS, Maker

from convai_async import ConvAIClient, endpoints, models
from convai_async.models import Model
from convai_async.testing import Corpus, FakeConvAI
from convai_async.testing.documents import AGENTS

CONTRACT: dict[type[Model], str] = {
    models.Conversation: "GetConversationResponseModel",
    contract_models.ConversationsPage: "GetConversationsPageResponseModel",
    models.ConversationSummary: "ConversationSummaryResponseModel",
    models.TranscriptTurn: "ConversationHistoryTranscriptCommonModel-Output",
    models.SignedUrl: "ConversationSignedUrlResponseModel",
    models.WebRTCToken: "TokenResponseModel",
    models.AgentLink: "GetAgentLinkResponseModel",
}
"""The models that the contract has a schema of, by its name."""

Seeds = dict[type[Model], list[bytes]]


async def documents() -> Seeds:
    """Return some documents of each model."""
    made: Seeds = {
        model: [msgspec.json.encode(Maker(seed, optional=share).make(SCHEMAS[name])) for seed, share in _SHARES]
        for model, name in CONTRACT.items()
    }
    async with (
        FakeConvAI(conversations=24, unfinished=2) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        for model, call in _calls(fake.conversations):
            made.setdefault(model, []).append((await client.send_raw(call)).body)
        made[models.Conversation] += [_shortened(fake.conversations.details(each)) for each in fake.conversations]
    return made


_SHARES = [(seed, share) for seed in range(12) for share in (0.1, 0.3, 0.6)]
"""Seeds of documents, and the share of the optional fields that they have."""


def _calls(conversations: Corpus) -> list[tuple[type[Model], endpoints.Request[Any]]]:
    conversation_id, agent_id = next(iter(conversations)), AGENTS[0][0]
    return [
        (contract_models.ConversationsPage, endpoints.list_conversations(page_size=3)),
        (contract_models.ConversationsPage, endpoints.list_conversations(page_size=3, summary_mode="include")),
        (models.ConversationSummaryWithMessages, endpoints.get_conversation_summary(conversation_id, max_messages=3)),
        (contract_models.SipMessagesPage, endpoints.get_sip_messages(conversation_id, page_size=3)),
        (contract_models.MessageHitsPage, endpoints.text_search_messages("refund", page_size=3)),
        (contract_models.MessageHitsPage, endpoints.search_messages("refund", page_size=3)),
        (models.ConversationTag, endpoints.create_tag("urgent", "soon")),
        (contract_models.ConversationTagsPage, endpoints.list_tags()),
        (contract_models.AgentTopicsPage, endpoints.get_agent_topics(agent_id)),
        (
            models.FileUpload,
            endpoints.create_file(conversation_id, b"%PDF", filename="a", content_type="image/png"),
        ),
        (models.AgentLink, endpoints.get_agent_link(agent_id)),
        (models.SignedUrl, endpoints.get_signed_url(agent_id)),
        (models.WebRTCToken, endpoints.get_webrtc_token(agent_id)),
    ]


def _shortened(details: dict[str, Any]) -> bytes:
    with_tools = [turn for turn in details["transcript"] if turn["tool_calls"] or turn["tool_results"]]
    return msgspec.json.encode(details | {"transcript": details["transcript"][:2] + with_tools[:2]})
