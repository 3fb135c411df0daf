"""Signed URLs and tokens, with which clients start conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from convai_async.testing.parameters import boolean, text
from convai_async.testing.responses import json_response
from convai_async.testing.routes import route

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

_OPTIONS = {
    "branch_id": text(),
    "version_id": text(),
    "environment": text(),
    "debug_events_request": boolean(),
}


@route(
    "GET",
    "/conversation/get-signed-url",
    agent_id=text(required=True),
    include_conversation_id=boolean(default=False),
    **_OPTIONS,
)
async def get_signed_url(state: State, request: web.Request, query: dict[str, Any]) -> web.StreamResponse:
    """Return a signed URL with the options in its query."""
    agent_id = state.check_agent(query["agent_id"])
    conversation_id = state.new_id("conv", 20) if query["include_conversation_id"] else None
    signed = {"agent_id": agent_id, "conversation_signature": state.live.credentials.sign(agent_id, conversation_id)}
    signed |= {name: request.query[name] for name in _OPTIONS if query[name] is not None}
    if conversation_id is not None:
        signed["conversation_id"] = conversation_id
    scheme = request.scheme.replace("http", "ws")
    return json_response({"signed_url": f"{scheme}://{request.host}/v1/convai/conversation?{urlencode(signed)}"})


@route("GET", "/conversation/token", agent_id=text(required=True), participant_name=text(), **_OPTIONS)
async def get_webrtc_token(state: State, _request: web.Request, query: dict[str, Any]) -> web.StreamResponse:
    """Return a WebRTC token."""
    agent_id = state.check_agent(query["agent_id"])
    token = state.live.credentials.issue_token(agent_id, "webrtc")
    return json_response({"token": token, "conversation_id": state.new_id("conv", 20)})
