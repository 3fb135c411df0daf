"""The calls of ``/v1/convai/conversation…``, one function each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, Unpack

from convai_async.calls._call import (
    CONVERSATIONS,
    Call,
    FileBody,
    checked_id,
    conversation_path,
    hiding,
    json_body,
    nothing,
    quoted_id,
)
from convai_async.calls._filters import ConversationFilters, check_filters
from convai_async.calls._page import Page
from convai_async.calls._query import MAX_PAGE_SIZE, check_page_size, encode_query
from convai_async.errors import DecodeError, InvalidArgumentError
from convai_async.models import (
    Conversation,
    ConversationDigest,
    ConversationsPage,
    SignedUrl,
    SipMessage,
    SipMessagesPage,
    UploadedFile,
    WebRTCToken,
)

if TYPE_CHECKING:
    from convai_async.models import ConversationSummary


def list_conversations(**filters: Unpack[ConversationFilters]) -> Call[Page[ConversationSummary]]:
    """GET /v1/convai/conversations: one page of conversations, newest first."""
    values = check_filters({"page_size": MAX_PAGE_SIZE, **filters}, ConversationFilters)
    return Call("GET", CONVERSATIONS, _decode_summaries, encode_query(values))


def _decode_summaries(body: bytes) -> Page[ConversationSummary]:
    page = ConversationsPage.from_json(body)
    return Page.of(page.conversations, page.next_cursor, page.has_more)


def get_conversation(
    conversation_id: str,
    *,
    format: Literal["json", "opentelemetry"] | None = None,  # noqa: A002 - the wire's name
) -> Call[Conversation]:
    """GET /v1/convai/conversations/{conversation_id}: details and transcript."""
    query = encode_query({"format": format})
    return Call("GET", conversation_path(conversation_id), partial(_decode_conversation, conversation_id), query)


def _decode_conversation(conversation_id: str, body: bytes) -> Conversation:
    conversation = Conversation.from_json(body)
    if conversation.conversation_id != conversation_id:
        # A cache or a proxy that mixes up replies: one customer's call must not pass for another's.
        raise DecodeError("it is of another conversation", path="$.conversation_id", body=body)
    return conversation


def resolve_conversation(agent_id: str, reference: str) -> Call[Conversation]:
    """GET /v1/convai/conversations/resolve: the conversation that something else calls by this reference."""
    query = {"agent_id": checked_id("agent_id", agent_id), "reference": checked_id("reference", reference)}
    return Call("GET", f"{CONVERSATIONS}/resolve", Conversation.from_json, encode_query(query))


def get_conversation_summary(conversation_id: str, *, max_messages: int | None = None) -> Call[ConversationDigest]:
    """GET /v1/convai/conversations/{conversation_id}/summary."""
    query = encode_query({"max_messages": max_messages})
    return Call("GET", f"{conversation_path(conversation_id)}/summary", ConversationDigest.from_json, query)


def run_analysis(conversation_id: str) -> Call[Conversation]:
    """POST /v1/convai/conversations/{conversation_id}/analysis/run."""
    path = f"{conversation_path(conversation_id)}/analysis/run"
    return Call("POST", path, partial(_decode_conversation, conversation_id), idempotent=False)


def run_evaluation(conversation_id: str, evaluation_id: str, **scope: str | None) -> Call[Conversation]:
    """POST /v1/convai/conversations/{conversation_id}/analysis/evaluations/run."""
    body = json_body("scope", {"evaluation_id": checked_id("evaluation_id", evaluation_id), **scope})
    path = f"{conversation_path(conversation_id)}/analysis/evaluations/run"
    return Call("POST", path, partial(_decode_conversation, conversation_id), body=body, idempotent=False)


def delete_conversation(conversation_id: str) -> Call[None]:
    """DELETE /v1/convai/conversations/{conversation_id}."""
    return Call("DELETE", conversation_path(conversation_id), nothing)


def get_audio(conversation_id: str, *, byte_range: str | None = None) -> Call[None]:
    """GET /v1/convai/conversations/{conversation_id}/audio: a stream, to be read as it comes."""
    headers = () if byte_range is None else (("range", byte_range),)
    return Call("GET", f"{conversation_path(conversation_id)}/audio", nothing, headers=headers)


def create_feedback(conversation_id: str, feedback: Literal["like", "dislike"] | None) -> Call[None]:
    """POST /v1/convai/conversations/{conversation_id}/feedback."""
    if feedback not in {"like", "dislike", None}:
        raise InvalidArgumentError("feedback", f"must be 'like', 'dislike' or None, got {feedback!r}")
    return Call(
        "POST",
        f"{conversation_path(conversation_id)}/feedback",
        nothing,
        body=json_body("feedback", {"feedback": feedback}),
        idempotent=False,
    )


def create_file(conversation_id: str, content: bytes, *, filename: str, content_type: str) -> Call[UploadedFile]:
    """POST /v1/convai/conversations/{conversation_id}/files: one image or PDF."""
    return Call(
        "POST",
        f"{conversation_path(conversation_id)}/files",
        UploadedFile.from_json,
        body=FileBody("file", content, checked_id("filename", filename), checked_id("content_type", content_type)),
        idempotent=False,
    )


def get_file(conversation_id: str, file_id: str) -> Call[None]:
    """GET /v1/convai/conversations/{conversation_id}/files/{file_id}: a stream, to be read as it comes."""
    return Call("GET", f"{conversation_path(conversation_id)}/files/{quoted_id('file_id', file_id)}", nothing)


def delete_file(conversation_id: str, file_id: str) -> Call[None]:
    """DELETE /v1/convai/conversations/{conversation_id}/files/{file_id}."""
    return Call("DELETE", f"{conversation_path(conversation_id)}/files/{quoted_id('file_id', file_id)}", nothing)


def get_sip_messages(
    conversation_id: str, *, page_size: int | None = None, cursor: str | None = None
) -> Call[Page[SipMessage]]:
    """GET /v1/convai/conversations/{conversation_id}/sip-messages: one page of SIP messages."""
    check_page_size(page_size)
    query = encode_query({"page_size": page_size, "cursor": cursor})
    return Call("GET", f"{conversation_path(conversation_id)}/sip-messages", _decode_sip_messages, query)


def _decode_sip_messages(body: bytes) -> Page[SipMessage]:
    page = SipMessagesPage.from_json(body)
    return Page.of(page.sip_messages, page.next_cursor, page.has_more)


def get_signed_url(  # noqa: PLR0913 - each by its name
    agent_id: str,
    *,
    include_conversation_id: bool | None = None,
    branch_id: str | None = None,
    version_id: str | None = None,
    environment: str | None = None,
    debug_events_request: bool | None = None,
) -> Call[SignedUrl]:
    """GET /v1/convai/conversation/get-signed-url."""
    query = encode_query(
        {
            "agent_id": checked_id("agent_id", agent_id),
            "include_conversation_id": include_conversation_id,
            "branch_id": branch_id,
            "version_id": version_id,
            "environment": environment,
            "debug_events_request": debug_events_request,
        }
    )
    return Call("GET", "/v1/convai/conversation/get-signed-url", hiding(SignedUrl.from_json), query)


def get_webrtc_token(  # noqa: PLR0913 - each by its name
    agent_id: str,
    *,
    participant_name: str | None = None,
    branch_id: str | None = None,
    version_id: str | None = None,
    environment: str | None = None,
    debug_events_request: bool | None = None,
) -> Call[WebRTCToken]:
    """GET /v1/convai/conversation/token."""
    query = encode_query(
        {
            "agent_id": checked_id("agent_id", agent_id),
            "participant_name": participant_name,
            "branch_id": branch_id,
            "version_id": version_id,
            "environment": environment,
            "debug_events_request": debug_events_request,
        }
    )
    return Call("GET", "/v1/convai/conversation/token", hiding(WebRTCToken.from_json), query)
