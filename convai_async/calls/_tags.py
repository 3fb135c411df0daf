"""The calls of ``/v1/convai/tags``, and those that give a conversation its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async.calls._call import Call, checked_id, conversation_path, json_body, nothing, quoted_id
from convai_async.calls._page import Page, decode_page
from convai_async.calls._query import check_page_size, encode_query
from convai_async.errors import InvalidArgumentError
from convai_async.models import ConversationTag

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAGS = "/v1/convai/tags"


def list_tags(*, page_size: int | None = None, cursor: str | None = None) -> Call[Page[ConversationTag]]:
    """GET /v1/convai/tags: one page of tags."""
    check_page_size(page_size)
    return Call("GET", _TAGS, _decode_tags, encode_query({"page_size": page_size, "cursor": cursor}))


def _decode_tags(body: bytes) -> Page[ConversationTag]:
    return decode_page(ConversationTag, "conversation_tags", body)


def create_tag(title: str, description: str | None = None) -> Call[ConversationTag]:
    """POST /v1/convai/tags."""
    fields: dict[str, Any] = {"title": checked_id("title", title)}
    if description is not None:
        fields["description"] = description
    return Call("POST", _TAGS, ConversationTag.from_json, body=json_body("description", fields), idempotent=False)


def get_tag(tag_id: str) -> Call[ConversationTag]:
    """GET /v1/convai/tags/{tag_id}."""
    return Call("GET", _tag(tag_id), ConversationTag.from_json)


def update_tag(tag_id: str, **fields: str | None) -> Call[ConversationTag]:
    """PATCH /v1/convai/tags/{tag_id}: change the title or the description; what is not named stays."""
    if not fields:
        raise InvalidArgumentError("title", "name what to change: title=, description=, or both")
    return Call("PATCH", _tag(tag_id), ConversationTag.from_json, body=json_body(" and ".join(fields), fields))


def delete_tag(tag_id: str) -> Call[None]:
    """DELETE /v1/convai/tags/{tag_id}."""
    return Call("DELETE", _tag(tag_id), nothing)


def assign_tags(conversation_id: str, tag_ids: Sequence[str]) -> Call[None]:
    """POST /v1/convai/conversations/{conversation_id}/tags."""
    if isinstance(tag_ids, str) or not tag_ids:
        raise InvalidArgumentError("tag_ids", f"must be a list of ids with at least one in it, got {tag_ids!r}")
    ids = [checked_id("tag_ids", tag_id) for tag_id in tag_ids]
    # A set of tags: assigning one twice leaves it assigned.
    body = json_body("tag_ids", {"tag_ids": ids})
    return Call("POST", f"{conversation_path(conversation_id)}/tags", nothing, body=body)


def unassign_tag(conversation_id: str, tag_id: str) -> Call[None]:
    """DELETE /v1/convai/conversations/{conversation_id}/tags/{tag_id}."""
    return Call("DELETE", f"{conversation_path(conversation_id)}/tags/{quoted_id('tag_id', tag_id)}", nothing)


def _tag(tag_id: str) -> str:
    return f"{_TAGS}/{quoted_id('tag_id', tag_id)}"
