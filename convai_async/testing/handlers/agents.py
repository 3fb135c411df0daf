"""Agents: their share links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async.testing.responses import json_response
from convai_async.testing.routes import route

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State


@route("GET", "/agents/{agent_id}/link")
async def get_agent_link(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Return the share link of an agent."""
    agent_id = state.check_agent(request.match_info["agent_id"])
    token = {
        "agent_id": agent_id,
        "conversation_token": state.live.credentials.issue_token(agent_id, "cvtkn"),
        "expiration_time_unix_secs": None,
        "conversation_id": None,
        "purpose": "shareable_link",
        "token_requester_user_id": None,
    }
    return json_response({"agent_id": agent_id, "token": token})
