"""``client.conversations.tags``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from convai_async import endpoints
from convai_async.pagination import Paginator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convai_async._transport.engine import Engine
    from convai_async.models import ConversationTag


class TagsResource:
    """The tags of a workspace, and which conversations have them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, *, page_size: int | None = None, cursor: str | None = None) -> Paginator[ConversationTag]:
        """List the tags, the newest first (GET /v1/convai/tags).

        Args:
            page_size: Tags in a page, 1 to 100; the service's choice by default.
            cursor: Where to begin: a page's ``next_cursor``.

        Raises:
            InvalidArgumentError: The page size is out of range.
        """
        return Paginator(self._engine.send, endpoints.list_tags(page_size=page_size, cursor=cursor))

    async def create(self, title: str, *, description: str | None = None) -> ConversationTag:
        """Make a tag (POST /v1/convai/tags).

        Making one twice makes two, so a request that the service may have acted on is not repeated, unless
        the retry policy has ``retry_non_idempotent``.

        Args:
            title: Its name: free text.
            description: What it means: free text.

        Raises:
            InvalidArgumentError: The title is empty.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.create_tag(title, description))

    async def get(self, tag_id: str) -> ConversationTag:
        """Get a tag (GET /v1/convai/tags/{tag_id}).

        Raises:
            InvalidArgumentError: The id is empty or invalid.
            NotFoundError: There is no such tag.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.get_tag(tag_id))

    async def update(
        self, tag_id: str, *, title: str | UnsetType = UNSET, description: str | UnsetType | None = UNSET
    ) -> ConversationTag:
        """Change a tag (PATCH /v1/convai/tags/{tag_id}); what is not given stays as it is.

        Only the owner of the tag and the admins of the workspace may do this.

        Args:
            tag_id: Which one.
            title: Its new name: free text.
            description: Its new meaning: free text, which may be empty. None is sent as null; whether the service
                then removes the description is undocumented.

        Raises:
            InvalidArgumentError: The id or the title is empty, or nothing is to be changed.
            PermissionDeniedError: The tag belongs to somebody else.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.update_tag(tag_id, title=title, description=description))

    async def delete(self, tag_id: str) -> None:
        """Delete a tag (DELETE /v1/convai/tags/{tag_id}).

        Only the owner of the tag and the admins of the workspace may do this.

        Raises:
            InvalidArgumentError: The id is empty or invalid.
            NotFoundError: There was none at the first attempt.
            PermissionDeniedError: The tag belongs to somebody else.
            ConvAIError: As for any request.
        """
        await self._engine.send(endpoints.delete_tag(tag_id))

    async def assign(self, conversation_id: str, *, tag_ids: Sequence[str]) -> None:
        """Give a conversation tags (POST /v1/convai/conversations/{conversation_id}/tags).

        Args:
            conversation_id: Which one.
            tag_ids: The tags to add, of the same workspace; those that it already has are ignored.

        Raises:
            InvalidArgumentError: An id is empty or invalid, or there is none.
            ConvAIError: As for any request.
        """
        await self._engine.send(endpoints.assign_tags(conversation_id, tag_ids))

    async def unassign(self, conversation_id: str, tag_id: str) -> None:
        """Take a tag from a conversation (DELETE /v1/convai/conversations/{conversation_id}/tags/{tag_id}).

        Raises:
            InvalidArgumentError: An id is empty or invalid.
            NotFoundError: The conversation did not have it at the first attempt.
            ConvAIError: As for any request.
        """
        await self._engine.send(endpoints.unassign_tag(conversation_id, tag_id))
