"""Feedback on conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from convai_async.testing.parameters import read_body
from convai_async.testing.responses import json_response
from convai_async.testing.routes import route

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State


@route("POST", "/conversations/{conversation_id}/feedback")
async def create_feedback(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Rate a conversation, or remove the rating."""
    stored = state.find_conversation(request)
    fields = {"feedback": Literal["like", "dislike"] | None}
    stored.feedback = (await read_body(request, fields, ignore_unknown=state.ignore_unknown)).get("feedback")
    return json_response({})
