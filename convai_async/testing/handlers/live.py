"""The sockets of live conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async.testing.parameters import boolean, text
from convai_async.testing.responses import RefusedError, error_response
from convai_async.testing.routes import socket

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State


@socket(
    "/conversation",
    agent_id=text(required=True),
    conversation_signature=text(),
    token=text(),
    conversation_id=text(),
    source=text(),
    version=text(),
    branch_id=text(),
    version_id=text(),
    environment=text(),
    debug_events_request=boolean(),
)
async def connect_conversation(state: State, request: web.Request, query: dict[str, Any]) -> web.StreamResponse:
    """Hold a conversation with an agent."""
    agent_id = state.check_agent(query["agent_id"])
    return await state.live.converse(request, agent_id, has_key=state.check_key(request))


@socket("/conversations/{conversation_id}/monitor")
async def monitor_conversation(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Show the events of a running conversation, and carry out commands."""
    if not state.check_key(request):
        raise RefusedError(error_response(401, "invalid_api_key", "Invalid API key"))
    return await state.live.monitor(request, request.match_info["conversation_id"])
