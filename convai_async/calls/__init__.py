"""Every request that the client can send, as values: one function for each endpoint.

A `Call` says what to send and how to read the reply; nothing here does any I/O. Send one with
``client.send_raw(call)`` to get at status, headers and exact bytes beside the typed result.
"""

from convai_async.calls._agents import get_agent_link
from convai_async.calls._call import Call, FileBody, JSONBody, Response, request_id
from convai_async.calls._conversations import (
    create_feedback,
    create_file,
    delete_conversation,
    delete_file,
    get_audio,
    get_conversation,
    get_signed_url,
    get_sip_messages,
    get_webrtc_token,
    list_conversations,
)
from convai_async.calls._filters import ConversationFilters, Moment
from convai_async.calls._page import Page
from convai_async.calls._query import MAX_PAGE_SIZE, unix_seconds
from convai_async.calls._request import request

__all__ = [
    "MAX_PAGE_SIZE",
    "Call",
    "ConversationFilters",
    "FileBody",
    "JSONBody",
    "Moment",
    "Page",
    "Response",
    "create_feedback",
    "create_file",
    "delete_conversation",
    "delete_file",
    "get_agent_link",
    "get_audio",
    "get_conversation",
    "get_signed_url",
    "get_sip_messages",
    "get_webrtc_token",
    "list_conversations",
    "request",
    "request_id",
    "unix_seconds",
]
