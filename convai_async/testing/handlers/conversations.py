"""Conversations: list, details, summary, deletion and SIP messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from convai_async.testing.cursors import NUMBER, POSITION, write_cursor
from convai_async.testing.filters import LIST_FILTERS, build_parameters
from convai_async.testing.parameters import integer, one_of, several, text
from convai_async.testing.responses import invalid, json_response, not_found, page_response, raw_response
from convai_async.testing.routes import route
from convai_async.testing.traces import build_traces

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

JSON = dict[str, Any]

_CONVERSATION = "/conversations/{conversation_id}"
_SIP_MESSAGES = ("INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK")
_REFERENCE_HOSTS = (".slack.com", ".zendesk.com")


@route(
    "GET",
    "/conversations",
    cursor=POSITION,
    page_size=integer(1, 100, default=30),
    summary_mode=one_of("exclude", "include", default="exclude"),
    sort_direction=one_of("asc", "desc"),
    data_collection_ids=several(),
    evaluation_criteria_ids=several(),
    **build_parameters(LIST_FILTERS),
)
async def list_conversations(state: State, _request: web.Request, query: JSON) -> web.StreamResponse:
    """List conversations, newest first by default."""
    found, last = state.corpus.page(query, query["page_size"], query["cursor"])
    return json_response({"conversations": found, "next_cursor": write_cursor(last), "has_more": last is not None})


@route("GET", "/conversations/resolve", agent_id=text(required=True), reference=text(required=True))
async def resolve_conversation(state: State, _request: web.Request, query: JSON) -> web.StreamResponse:
    """Find the conversation of a Slack message or Zendesk ticket by its URL."""
    url = urlsplit(query["reference"])
    if not (url.hostname or "").endswith(_REFERENCE_HOSTS):
        raise invalid(("query", "reference"), "Input should be the URL of a Slack message or a Zendesk ticket")
    link = f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"
    for candidate in state.corpus.candidates({"agent_id": query["agent_id"]}):
        if (candidate.metadata["async_metadata"] or {}).get("external_link") == link:
            return raw_response(state.corpus.document(candidate.stored.conversation_id))
    raise not_found("conversation")


@route("GET", _CONVERSATION, format=one_of("json", "opentelemetry", default="json"))
async def get_conversation(state: State, request: web.Request, query: JSON) -> web.StreamResponse:
    """Return the details of a conversation."""
    stored = state.find_conversation(request)
    if stored.done_after is not None:
        stored.done_after -= 1
        if stored.done_after < 0:
            stored.status, stored.done_after = "done", None
    if query["format"] == "json":
        return raw_response(state.corpus.document(stored.conversation_id))
    details = state.corpus.details(stored.conversation_id)
    return json_response(details | {"otlp_traces": build_traces(details)})


@route("DELETE", _CONVERSATION)
async def delete_conversation(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Delete a conversation."""
    state.corpus.remove(state.find_conversation(request).conversation_id)
    return json_response({})


@route("GET", f"{_CONVERSATION}/summary", max_messages=integer(0, default=20))
async def get_conversation_summary(state: State, request: web.Request, query: JSON) -> web.StreamResponse:
    """Return the summary of a conversation, with its messages if there are at most ``max_messages``."""
    details = state.corpus.details(state.find_conversation(request).conversation_id)
    analysis = details["analysis"] or {}
    said = [{"role": turn["role"], "message": turn["message"]} for turn in details["transcript"] if turn["message"]]
    omitted = len(said) > query["max_messages"]
    return json_response(
        {
            "conversation_id": details["conversation_id"],
            "agent_id": details["agent_id"],
            "status": details["status"],
            "call_summary_title": analysis.get("call_summary_title"),
            "transcript_summary": analysis.get("transcript_summary"),
            "call_successful": analysis.get("call_successful"),
            "message_count": len(said),
            "messages": None if omitted else said,
            "messages_omitted": omitted,
            "note": "Get the conversation for its full transcript.",
        }
    )


@route("GET", f"{_CONVERSATION}/sip-messages", page_size=integer(1, 100, default=30), cursor=NUMBER)
async def get_sip_messages(state: State, request: web.Request, query: JSON) -> web.StreamResponse:
    """List the SIP messages of a phone call."""
    stored = state.find_conversation(request)
    messages = [
        {
            "call_id": f"call_of_{stored.conversation_id}",
            "phone_numbers": ["+15550199"],
            "local_address": "192.0.2.1:5060",
            "remote_address": "198.51.100.7:5060",
            "transport": "udp",
            "raw_message": f"{line} sip:agent@example.invalid SIP/2.0\r\n\r\n",
            "error_message": "",
            "direction": "out" if number % 2 else "in",
            "created_at_unix_micro": stored.start * 1_000_000 + number,
        }
        for number, line in enumerate(_SIP_MESSAGES)
    ]
    return page_response("sip_messages", messages, query)
