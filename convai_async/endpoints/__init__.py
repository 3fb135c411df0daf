"""Every request that the client can send, as values: one function for each endpoint.

A `Request` says what to send and how to read the reply; nothing here does any I/O. Send one with
``client.send_raw(request)`` to get at status, headers and exact bytes beside the typed result.
"""

from convai_async._support.validate import MAX_PAGE_SIZE
from convai_async.endpoints._agents import get_agent_link, get_agent_topics
from convai_async.endpoints._conversations import (
    create_feedback,
    create_file,
    delete_conversation,
    delete_file,
    get_audio,
    get_conversation,
    get_conversation_summary,
    get_file,
    get_signed_url,
    get_sip_messages,
    get_webrtc_token,
    list_conversations,
    resolve_conversation,
    run_analysis,
    run_evaluation,
)
from convai_async.endpoints._custom import request
from convai_async.endpoints._filters import ConversationFilters, MessageFilters, Moment
from convai_async.endpoints._messages import search_messages, text_search_messages
from convai_async.endpoints._page import Page, UndecodableItem
from convai_async.endpoints._query import to_unix_seconds
from convai_async.endpoints._request import FileBody, JSONBody, Request, Response, get_request_id
from convai_async.endpoints._tags import (
    assign_tags,
    create_tag,
    delete_tag,
    get_tag,
    list_tags,
    unassign_tag,
    update_tag,
)

__all__ = [
    "MAX_PAGE_SIZE",
    "ConversationFilters",
    "FileBody",
    "JSONBody",
    "MessageFilters",
    "Moment",
    "Page",
    "Request",
    "Response",
    "UndecodableItem",
    "assign_tags",
    "create_feedback",
    "create_file",
    "create_tag",
    "delete_conversation",
    "delete_file",
    "delete_tag",
    "get_agent_link",
    "get_agent_topics",
    "get_audio",
    "get_conversation",
    "get_conversation_summary",
    "get_file",
    "get_request_id",
    "get_signed_url",
    "get_sip_messages",
    "get_tag",
    "get_webrtc_token",
    "list_conversations",
    "list_tags",
    "request",
    "resolve_conversation",
    "run_analysis",
    "run_evaluation",
    "search_messages",
    "text_search_messages",
    "to_unix_seconds",
    "unassign_tag",
    "update_tag",
]
