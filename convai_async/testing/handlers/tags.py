"""Tags, and the conversations that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from convai_async.testing.cursors import NUMBER
from convai_async.testing.operations import operation
from convai_async.testing.parameters import integer, read_body
from convai_async.testing.replies import json_reply, not_found, page_reply

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

JSON = dict[str, Any]

_FIRST_CREATED_AT = 1_780_000_000
_TITLE = Annotated[str, Meta(min_length=1)]
_FIELDS = {"title": _TITLE, "description": str | None}


@operation("GET", "/tags", page_size=integer(1, 100, default=30), cursor=NUMBER)
async def list_tags(state: State, _request: web.Request, query: JSON) -> web.StreamResponse:
    """List the tags, newest first."""
    return page_reply("conversation_tags", list(state.tags.values())[::-1], query)


@operation("POST", "/tags")
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
    return json_reply(state.tags[tag_id])


@operation("GET", "/tags/{tag_id}")
async def get_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Return a tag."""
    return json_reply(_tag(state, request))


@operation("PATCH", "/tags/{tag_id}")
async def update_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Change a tag's title or description; what is left out stays."""
    tag = _tag(state, request)
    fields = await read_body(request, _FIELDS, ignore_unknown=state.ignore_unknown)
    tag.update({name: value for name, value in fields.items() if name in _FIELDS})
    return json_reply(tag)


@operation("DELETE", "/tags/{tag_id}")
async def delete_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Delete a tag, also from every conversation."""
    tag_id = _tag(state, request)["tag_id"]
    del state.tags[tag_id]
    for conversation_id in state.corpus:
        record = state.corpus[conversation_id]
        if tag_id in record.tag_ids:
            record.tag_ids.remove(tag_id)
    return json_reply(None)


@operation("POST", "/conversations/{conversation_id}/tags")
async def assign_tags(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Give a conversation tags, of which it may have some already."""
    record = state.conversation(request)
    fields = await read_body(request, {"tag_ids": list[str]}, required="tag_ids", ignore_unknown=state.ignore_unknown)
    if not all(tag_id in state.tags for tag_id in fields["tag_ids"]):
        raise not_found("tag")
    record.tag_ids = sorted({*record.tag_ids, *fields["tag_ids"]})
    return json_reply(None)


@operation("DELETE", "/conversations/{conversation_id}/tags/{tag_id}")
async def unassign_tag(state: State, request: web.Request, _query: JSON) -> web.StreamResponse:
    """Take a tag from a conversation."""
    record = state.conversation(request)
    tag_id = request.match_info["tag_id"]
    if tag_id not in record.tag_ids:
        raise not_found("tag")
    record.tag_ids.remove(tag_id)
    return json_reply(None)


def _tag(state: State, request: web.Request) -> JSON:
    tag = state.tags.get(request.match_info["tag_id"])
    if tag is None:
        raise not_found("tag")
    return tag
