"""Endpoints of ``/v1/convai/conversations`` and ``/v1/convai/conversation``."""

from __future__ import annotations

from functools import partial
from typing import Literal, Unpack

from convai_async._support.validate import (
    MAX_PAGE_SIZE,
    validate_choice,
    validate_flag,
    validate_id,
    validate_integer,
    validate_media_type,
    validate_optional,
    validate_page_size,
    validate_text,
)
from convai_async.endpoints._filter_help import describe_filters
from convai_async.endpoints._filter_values import validate_filters
from convai_async.endpoints._filters import ConversationFilters
from convai_async.endpoints._page import Page, PageDecoder
from convai_async.endpoints._query import encode_query
from convai_async.endpoints._request import (
    CONVERSATIONS,
    FileBody,
    Request,
    build_conversation_path,
    encode_json_body,
    no_content,
    quote_id,
    redact_body_on_error,
)
from convai_async.errors import DecodeError, InvalidArgumentError
from convai_async.models import (
    Conversation,
    ConversationSummary,
    ConversationSummaryWithMessages,
    FileUpload,
    SignedUrl,
    SipMessage,
    WebRTCToken,
)

__all__ = [
    "create_feedback",
    "create_file",
    "delete_conversation",
    "delete_file",
    "get_audio",
    "get_conversation",
    "get_conversation_summary",
    "get_file",
    "get_signed_url",
    "get_sip_messages",
    "get_webrtc_token",
    "list_conversations",
    "resolve_conversation",
    "run_analysis",
    "run_evaluation",
]


@describe_filters(ConversationFilters)
def list_conversations(**filters: Unpack[ConversationFilters]) -> Request[Page[ConversationSummary]]:
    """Get a page of conversations, newest first (GET /v1/convai/conversations).

    Args:
        **filters: The keys of `ConversationFilters`.
    """
    values = validate_filters({"page_size": MAX_PAGE_SIZE, **filters}, ConversationFilters)
    return Request("GET", CONVERSATIONS, PageDecoder(ConversationSummary, "conversations"), encode_query(values))


def get_conversation(
    conversation_id: str,
    *,
    format: Literal["json", "opentelemetry"] | None = None,  # noqa: A002 - the wire's name
) -> Request[Conversation]:
    """Get a conversation with its transcript (GET /v1/convai/conversations/{conversation_id})."""
    query = encode_query({"format": validate_choice("format", format, ("json", "opentelemetry", None))})
    return Request(
        "GET", build_conversation_path(conversation_id), partial(_decode_conversation, conversation_id), query
    )


def _decode_conversation(conversation_id: str, body: bytes) -> Conversation:
    conversation = Conversation.from_json(body)
    if conversation.conversation_id != conversation_id:
        # A cache or a proxy that mixes up responses would show one customer's conversation to another.
        raise DecodeError("the reply is of another conversation", path="$.conversation_id", body=body)
    return conversation


def resolve_conversation(agent_id: str, reference: str) -> Request[Conversation]:
    """Get the conversation of a Slack message or a Zendesk ticket (GET /v1/convai/conversations/resolve)."""
    query = {"agent_id": validate_id("agent_id", agent_id), "reference": validate_text("reference", reference)}
    return Request("GET", f"{CONVERSATIONS}/resolve", Conversation.from_json, encode_query(query))


def get_conversation_summary(
    conversation_id: str, *, max_messages: int | None = None
) -> Request[ConversationSummaryWithMessages]:
    """Get the summary of a conversation (GET /v1/convai/conversations/{conversation_id}/summary)."""
    most = validate_optional(partial(validate_integer, smallest=0), "max_messages", max_messages)
    query = encode_query({"max_messages": most})
    return Request(
        "GET", f"{build_conversation_path(conversation_id)}/summary", ConversationSummaryWithMessages.from_json, query
    )


def run_analysis(conversation_id: str) -> Request[Conversation]:
    """Analyse a conversation again (POST /v1/convai/conversations/{conversation_id}/analysis/run)."""
    path = f"{build_conversation_path(conversation_id)}/analysis/run"
    return Request("POST", path, partial(_decode_conversation, conversation_id), idempotent=False)


def run_evaluation(
    conversation_id: str,
    evaluation_id: str,
    *,
    scope: Literal["conversation", "agent"] | None = None,
    evaluated_agent_id: str | None = None,
    evaluated_branch_id: str | None = None,
) -> Request[Conversation]:
    """Evaluate a criterion again (POST /v1/convai/conversations/{conversation_id}/analysis/evaluations/run)."""
    fields = {
        "evaluation_id": validate_id("evaluation_id", evaluation_id),
        "scope": validate_choice("scope", scope, ("conversation", "agent", None)),
        "evaluated_agent_id": validate_optional(validate_id, "evaluated_agent_id", evaluated_agent_id),
        "evaluated_branch_id": validate_optional(validate_id, "evaluated_branch_id", evaluated_branch_id),
    }
    body = encode_json_body("scope", {name: value for name, value in fields.items() if value is not None})
    path = f"{build_conversation_path(conversation_id)}/analysis/evaluations/run"
    return Request("POST", path, partial(_decode_conversation, conversation_id), body=body, idempotent=False)


def delete_conversation(conversation_id: str) -> Request[None]:
    """Delete a conversation (DELETE /v1/convai/conversations/{conversation_id})."""
    return Request("DELETE", build_conversation_path(conversation_id), no_content)


def get_audio(conversation_id: str, *, byte_range: str | None = None) -> Request[None]:
    """Get the recording of a conversation, as a stream (GET /v1/convai/conversations/{conversation_id}/audio)."""
    headers = () if byte_range is None else (("range", byte_range),)
    return Request("GET", f"{build_conversation_path(conversation_id)}/audio", no_content, headers=headers)


def create_feedback(conversation_id: str, feedback: Literal["like", "dislike"] | None) -> Request[None]:
    """Rate a conversation (POST /v1/convai/conversations/{conversation_id}/feedback)."""
    body = encode_json_body("feedback", {"feedback": validate_choice("feedback", feedback, ("like", "dislike", None))})
    return Request(
        "POST", f"{build_conversation_path(conversation_id)}/feedback", no_content, body=body, idempotent=False
    )


def create_file(conversation_id: str, content: bytes, *, filename: str, content_type: str) -> Request[FileUpload]:
    """Upload an image, a PDF or a text file (POST /v1/convai/conversations/{conversation_id}/files)."""
    if not isinstance(content, bytes):
        raise InvalidArgumentError("content", f"must be bytes, not {type(content).__name__}")
    name = validate_text("filename", filename)
    return Request(
        "POST",
        f"{build_conversation_path(conversation_id)}/files",
        FileUpload.from_json,
        body=FileBody("file", content, name, validate_media_type("content_type", content_type)),
        idempotent=False,
    )


def get_file(conversation_id: str, file_id: str) -> Request[None]:
    """Get a file, as a stream (GET /v1/convai/conversations/{conversation_id}/files/{file_id})."""
    return Request(
        "GET", f"{build_conversation_path(conversation_id)}/files/{quote_id('file_id', file_id)}", no_content
    )


def delete_file(conversation_id: str, file_id: str) -> Request[None]:
    """Delete a file (DELETE /v1/convai/conversations/{conversation_id}/files/{file_id})."""
    return Request(
        "DELETE", f"{build_conversation_path(conversation_id)}/files/{quote_id('file_id', file_id)}", no_content
    )


def get_sip_messages(
    conversation_id: str, *, page_size: int | None = None, cursor: str | None = None
) -> Request[Page[SipMessage]]:
    """Get a page of the SIP messages of a call (GET /v1/convai/conversations/{conversation_id}/sip-messages)."""
    query = encode_query(
        {"page_size": validate_page_size(page_size), "cursor": validate_optional(validate_text, "cursor", cursor)}
    )
    return Request(
        "GET",
        f"{build_conversation_path(conversation_id)}/sip-messages",
        PageDecoder(SipMessage, "sip_messages"),
        query,
    )


def get_signed_url(  # noqa: PLR0913 - keyword-only options
    agent_id: str,
    *,
    include_conversation_id: bool | None = None,
    branch_id: str | None = None,
    version_id: str | None = None,
    environment: str | None = None,
    debug_events_request: bool | None = None,
) -> Request[SignedUrl]:
    """Get a URL that starts a conversation with a private agent (GET /v1/convai/conversation/get-signed-url)."""
    query = encode_query(
        {
            "agent_id": validate_id("agent_id", agent_id),
            "include_conversation_id": validate_optional(
                validate_flag, "include_conversation_id", include_conversation_id
            ),
            **_build_start_options(branch_id, version_id, environment, debug_events_request),
        }
    )
    return Request("GET", "/v1/convai/conversation/get-signed-url", redact_body_on_error(SignedUrl.from_json), query)


def get_webrtc_token(  # noqa: PLR0913 - keyword-only options
    agent_id: str,
    *,
    participant_name: str | None = None,
    branch_id: str | None = None,
    version_id: str | None = None,
    environment: str | None = None,
    debug_events_request: bool | None = None,
) -> Request[WebRTCToken]:
    """Get a token that starts a WebRTC session with a private agent (GET /v1/convai/conversation/token)."""
    query = encode_query(
        {
            "agent_id": validate_id("agent_id", agent_id),
            "participant_name": validate_optional(validate_text, "participant_name", participant_name),
            **_build_start_options(branch_id, version_id, environment, debug_events_request),
        }
    )
    return Request("GET", "/v1/convai/conversation/token", redact_body_on_error(WebRTCToken.from_json), query)


def _build_start_options(
    branch_id: str | None,
    version_id: str | None,
    environment: str | None,
    debug_events_request: bool | None,  # noqa: FBT001 - passed on
) -> dict[str, str | bool | None]:
    """Return the query parameters that signed URLs and tokens share."""
    return {
        "branch_id": validate_optional(validate_id, "branch_id", branch_id),
        "version_id": validate_optional(validate_id, "version_id", version_id),
        "environment": validate_optional(validate_text, "environment", environment),
        "debug_events_request": validate_optional(validate_flag, "debug_events_request", debug_events_request),
    }
