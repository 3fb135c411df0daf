"""Conversations: the list, the details, the summary, and what is done with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from convai_async.testing.cursors import NUMBER, POSITION, write_cursor
from convai_async.testing.filters import LIST_FILTERS, parameters_of
from convai_async.testing.operations import operation
from convai_async.testing.parameters import integer, one_of, read_body, several, text
from convai_async.testing.replies import invalid, json_reply, not_found, page_reply, raw_reply
from convai_async.testing.traces import traces_of

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

JSON = dict[str, Any]

_CONVERSATION = "/conversations/{conversation_id}"
_SIP_MESSAGES = ("INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK")
_REFERENCE_HOSTS = (".slack.com", ".zendesk.com")


@operation(
    "GET",
    "/conversations",
    cursor=POSITION,
    page_size=integer(1, 100, default=30),
    summary_mode=one_of("exclude", "include", default="exclude"),
    sort_direction=one_of("asc", "desc"),
    data_collection_ids=several(),
    evaluation_criteria_ids=several(),
    **parameters_of(LIST_FILTERS),
)
async def list_conversations(state: State, _request: web.Request, query: JSON) -> web.StreamResponse:
    """List summaries, newest first by default."""
    found, last = state.corpus.page(query, query["page_size"], query["cursor"])
    return json_reply({"conversations": found, "next_cursor": write_cursor(last), "has_more": last is not None})


@operation("GET", "/conversations/resolve", agent_id=text(required=True), reference=text(required=True))
async def resolve_conversation(state: State, _request: web.Request, query: JSON) -> web.StreamResponse:
    """Return the conversation of a Slack message or a Zendesk ticket, given its URL."""
    url = urlsplit(query["reference"])
    if not (url.hostname or "").endswith(_REFERENCE_HOSTS):
        raise invalid(("query", "reference"), "Input should be the URL of a Slack message or a Zendesk ticket")
    link = f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"
    for candidate in state.corpus.candidates({"agent_id": query["agent_id"]}):
        if (candidate.metadata["async_metadata"] or {}).get("external_link") == link:
            return raw_reply(state.corpus.document(candidate.record.conversation_id))
    raise not_found("conversation")


@operation("GET", _CONVERSATION, format=one_of("json", "opentelemetry", default="json"))
async def get_conversation(state: State, request: web.Request, query: JSON) -> web.StreamResponse:
    """Return a conversation in full."""
    record = state.conversation(request)
    if record.done_after is not None:
        record.done_after -= 1
        if record.done_after < 0:
            record.status, record.done_after = "done", None
    if query["format"] == "json":
        return raw_reply(state.corpus.document(record.conversation_id))
    details = state.corpus.details(record.conversation_id)
    return json_reply(details | {"otlp_traces": traces_of(details)})


@operation("DELETE", _CONVERSATION)
async def delete_conversation(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Delete a conversation."""
    state.corpus.remove(state.conversation(request).conversation_id)
    return json_reply({})


@operation("GET", f"{_CONVERSATION}/summary", max_messages=integer(0, default=20))
async def get_conversation_summary(state: State, request: web.Request, query: JSON) -> web.StreamResponse:
    """Return the gist of a conversation, with its messages if there are at most ``max_messages``."""
    details = state.corpus.details(state.conversation(request).conversation_id)
    analysis = details["analysis"] or {}
    said = [{"role": turn["role"], "message": turn["message"]} for turn in details["transcript"] if turn["message"]]
    omitted = len(said) > query["max_messages"]
    return json_reply(
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


@operation("POST", f"{_CONVERSATION}/feedback")
async def create_feedback(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Rate a conversation, or take the rating back."""
    record = state.conversation(request)
    fields = {"feedback": Literal["like", "dislike"] | None}
    record.feedback = (await read_body(request, fields, ignore_unknown=state.ignore_unknown)).get("feedback")
    return json_reply({})


@operation("GET", f"{_CONVERSATION}/sip-messages", page_size=integer(1, 100, default=30), cursor=NUMBER)
async def get_sip_messages(state: State, request: web.Request, query: JSON) -> web.StreamResponse:
    """List the SIP messages of a phone call."""
    record = state.conversation(request)
    messages = [
        {
            "call_id": f"call_of_{record.conversation_id}",
            "phone_numbers": ["+15550199"],
            "local_address": "192.0.2.1:5060",
            "remote_address": "198.51.100.7:5060",
            "transport": "udp",
            "raw_message": f"{line} sip:agent@example.invalid SIP/2.0\r\n\r\n",
            "error_message": "",
            "direction": "out" if number % 2 else "in",
            "created_at_unix_micro": record.start * 1_000_000 + number,
        }
        for number, line in enumerate(_SIP_MESSAGES)
    ]
    return page_reply("sip_messages", messages, query)
