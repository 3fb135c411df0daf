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
    """Tags of a workspace and of its conversations: ``client.conversations.tags``.

    Methods that send a request can raise the errors that `convai_async.errors` lists.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, *, page_size: int | None = None, cursor: str | None = None) -> Paginator[ConversationTag]:
        """List the tags of the workspace, newest first (GET /v1/convai/tags).

        Args:
            page_size: The maximum number of tags in a page, 1 to 100; the service decides by default.
            cursor: The first page to load: the ``next_cursor`` of the page before it.
        """
        return Paginator(self._engine.send, endpoints.list_tags(page_size=page_size, cursor=cursor))

    async def create(self, title: str, *, description: str | None = None) -> ConversationTag:
        """Create a tag (POST /v1/convai/tags).

        A request that the service may have processed is not retried, since each one creates a tag, unless the retry
        policy has ``retry_non_idempotent``.

        Args:
            title: The title, which must not be empty.
            description: The description, which can be empty; None by default.
        """
        return await self._engine.send(endpoints.create_tag(title, description))

    async def get(self, tag_id: str) -> ConversationTag:
        """Get a tag (GET /v1/convai/tags/{tag_id}).

        Args:
            tag_id: The id of the tag.

        Raises:
            NotFoundError: The tag does not exist.
        """
        return await self._engine.send(endpoints.get_tag(tag_id))

    async def update(
        self, tag_id: str, *, title: str | UnsetType = UNSET, description: str | UnsetType | None = UNSET
    ) -> ConversationTag:
        """Change the title or the description of a tag (PATCH /v1/convai/tags/{tag_id}).

        Only the owner of the tag and the admins of the workspace can change it.

        Args:
            tag_id: The id of the tag.
            title: The new title; unchanged by default.
            description: The new description, which can be empty; unchanged by default. None is sent as null, whose
                effect is undocumented.

        Raises:
            InvalidArgumentError: The title is empty, or neither a title nor a description is given.
            PermissionDeniedError: The tag belongs to another user.
        """
        return await self._engine.send(endpoints.update_tag(tag_id, title=title, description=description))

    async def delete(self, tag_id: str) -> None:
        """Delete a tag (DELETE /v1/convai/tags/{tag_id}).

        Only the owner of the tag and the admins of the workspace can delete it. A 404 after a retry counts as success.

        Args:
            tag_id: The id of the tag.

        Raises:
            NotFoundError: The tag does not exist.
            PermissionDeniedError: The tag belongs to another user.
        """
        await self._engine.send(endpoints.delete_tag(tag_id))

    async def assign(self, conversation_id: str, *, tag_ids: Sequence[str]) -> None:
        """Assign tags to a conversation (POST /v1/convai/conversations/{conversation_id}/tags).

        Args:
            conversation_id: The conversation (``conv_…``).
            tag_ids: The ids of one or more tags of the workspace. Tags that the conversation already has are ignored.
        """
        await self._engine.send(endpoints.assign_tags(conversation_id, tag_ids))

    async def unassign(self, conversation_id: str, tag_id: str) -> None:
        """Remove a tag from a conversation (DELETE /v1/convai/conversations/{conversation_id}/tags/{tag_id}).

        A 404 after a retry counts as success.

        Args:
            conversation_id: The conversation (``conv_…``).
            tag_id: The id of the tag.

        Raises:
            NotFoundError: The conversation does not have the tag.
        """
        await self._engine.send(endpoints.unassign_tag(conversation_id, tag_id))
