"""Tags, and their assignment to conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from convai_async.testing.cursors import NUMBER
from convai_async.testing.parameters import integer, read_body
from convai_async.testing.responses import json_response, not_found, page_response
from convai_async.testing.routes import route

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

JSON = dict[str, Any]

_FIRST_CREATED_AT = 1_780_000_000
_TITLE = Annotated[str, Meta(min_length=1)]
_FIELDS = {"title": _TITLE, "description": str | None}


@route("GET", "/tags", page_size=integer(1, 100, default=30), cursor=NUMBER)
async def list_tags(state: State, _request: web.Request, query: JSON) -> web.StreamResponse:
    """List the tags, newest first."""
    return page_response("conversation_tags", list(state.tags.values())[::-1], query)


@route("POST", "/tags")
async def create_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Create a tag."""
    fields = await read_body(request, _FIELDS, required="title", ignore_unknown=state.ignore_unknown)
    tag_id = state.new_id("tag")
    newest = next(reversed(state.tags.values()), {"created_at_unix_secs": _FIRST_CREATED_AT - 1})
    state.tags[tag_id] = {
        "tag_id": tag_id,
        "workspace_id": "ws_1",
        "owner_user_id": "user_1",
        "title": fields["title"],
        "description": fields.get("description"),
        "created_at_unix_secs": newest["created_at_unix_secs"] + 1,
    }
    return json_response(state.tags[tag_id])


@route("GET", "/tags/{tag_id}")
async def get_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Return a tag."""
    return json_response(_find_tag(state, request))


@route("PATCH", "/tags/{tag_id}")
async def update_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Change the title or the description of a tag; a missing field does not change."""
    tag = _find_tag(state, request)
    fields = await read_body(request, _FIELDS, ignore_unknown=state.ignore_unknown)
    tag.update({name: value for name, value in fields.items() if name in _FIELDS})
    return json_response(tag)


@route("DELETE", "/tags/{tag_id}")
async def delete_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Delete a tag, and remove it from all conversations."""
    tag_id = _find_tag(state, request)["tag_id"]
    del state.tags[tag_id]
    for conversation_id in state.corpus:
        stored = state.corpus[conversation_id]
        if tag_id in stored.tag_ids:
            stored.tag_ids.remove(tag_id)
    return json_response(None)


@route("POST", "/conversations/{conversation_id}/tags")
async def assign_tags(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Assign tags to a conversation; it can have some of them already."""
    stored = state.find_conversation(request)
    fields = await read_body(request, {"tag_ids": list[str]}, required="tag_ids", ignore_unknown=state.ignore_unknown)
    if not all(tag_id in state.tags for tag_id in fields["tag_ids"]):
        raise not_found("tag")
    stored.tag_ids = sorted({*stored.tag_ids, *fields["tag_ids"]})
    return json_response(None)


@route("DELETE", "/conversations/{conversation_id}/tags/{tag_id}")
async def unassign_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Remove a tag from a conversation."""
    stored = state.find_conversation(request)
    tag_id = request.match_info["tag_id"]
    if tag_id not in stored.tag_ids:
        raise not_found("tag")
    stored.tag_ids.remove(tag_id)
    return json_response(None)


def _find_tag(state: State, request: web.Request) -> JSON:
    tag = state.tags.get(request.match_info["tag_id"])
    if tag is None:
        raise not_found("tag")
    return tag
