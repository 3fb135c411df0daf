"""Endpoints of ``/v1/convai/tags`` and ``/v1/convai/conversations/{conversation_id}/tags``."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from convai_async._support.validate import validate_id, validate_optional, validate_page_size, validate_text
from convai_async.endpoints._page import Page, PageDecoder
from convai_async.endpoints._query import encode_query
from convai_async.endpoints._request import Request, build_conversation_path, encode_json_body, no_content, quote_id
from convai_async.errors import InvalidArgumentError
from convai_async.models import ConversationTag

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["assign_tags", "create_tag", "delete_tag", "get_tag", "list_tags", "unassign_tag", "update_tag"]

_TAGS = "/v1/convai/tags"


def list_tags(*, page_size: int | None = None, cursor: str | None = None) -> Request[Page[ConversationTag]]:
    """Get a page of tags, newest first (GET /v1/convai/tags)."""
    query = {"page_size": validate_page_size(page_size), "cursor": validate_optional(validate_text, "cursor", cursor)}
    return Request("GET", _TAGS, PageDecoder(ConversationTag, "conversation_tags"), encode_query(query))


def create_tag(title: str, description: str | None = None) -> Request[ConversationTag]:
    """Create a tag (POST /v1/convai/tags)."""
    fields: dict[str, Any] = {"title": validate_text("title", title)}
    if description is not None:
        fields["description"] = validate_text("description", description, blank=True)
    return Request("POST", _TAGS, ConversationTag.from_json, body=encode_json_body("title", fields), idempotent=False)


def get_tag(tag_id: str) -> Request[ConversationTag]:
    """Get a tag (GET /v1/convai/tags/{tag_id})."""
    return Request("GET", _build_tag_path(tag_id), ConversationTag.from_json)


def update_tag(
    tag_id: str, *, title: str | UnsetType = UNSET, description: str | UnsetType | None = UNSET
) -> Request[ConversationTag]:
    """Change the title or the description of a tag (PATCH /v1/convai/tags/{tag_id})."""
    fields: dict[str, Any] = {}
    if title is not UNSET:
        fields["title"] = validate_text("title", title)
    if description is not UNSET:
        fields["description"] = None if description is None else validate_text("description", description, blank=True)
    if not fields:
        raise InvalidArgumentError("title", "pass title=, description=, or both")
    return Request("PATCH", _build_tag_path(tag_id), ConversationTag.from_json, body=encode_json_body("title", fields))


def delete_tag(tag_id: str) -> Request[None]:
    """Delete a tag (DELETE /v1/convai/tags/{tag_id})."""
    return Request("DELETE", _build_tag_path(tag_id), no_content)


def assign_tags(conversation_id: str, tag_ids: Sequence[str]) -> Request[None]:
    """Assign tags to a conversation (POST /v1/convai/conversations/{conversation_id}/tags)."""
    if isinstance(tag_ids, str) or not isinstance(tag_ids, Collection) or not tag_ids:
        raise InvalidArgumentError("tag_ids", f"must be a list of ids with at least one in it, got {tag_ids!r}")
    ids = [validate_id("tag_ids", tag_id) for tag_id in tag_ids]
    # Assigning a tag twice has no further effect, so the request stays idempotent.
    body = encode_json_body("tag_ids", {"tag_ids": ids})
    return Request("POST", f"{build_conversation_path(conversation_id)}/tags", no_content, body=body)


def unassign_tag(conversation_id: str, tag_id: str) -> Request[None]:
    """Remove a tag from a conversation (DELETE /v1/convai/conversations/{conversation_id}/tags/{tag_id})."""
    return Request(
        "DELETE", f"{build_conversation_path(conversation_id)}/tags/{quote_id('tag_id', tag_id)}", no_content
    )


def _build_tag_path(tag_id: str) -> str:
    return f"{_TAGS}/{quote_id('tag_id', tag_id)}"
