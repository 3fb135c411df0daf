"""``client.conversations.tags``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from convai_async import calls
from convai_async.pagination import Paginator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convai_async._engine import Engine
    from convai_async.models import ConversationTag


class ConversationTags:
    """The tags of a workspace, and which conversations have them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, *, page_size: int | None = None, cursor: str | None = None) -> Paginator[ConversationTag]:
        """List the tags (GET /v1/convai/tags).

        Args:
            page_size: Tags in a page, 1 to 100; the service's choice by default.
            cursor: Where to begin: a page's ``next_cursor``.

        Raises:
            InvalidArgumentError: The page size is out of range.
        """
        return Paginator(self._engine.send, calls.list_tags(page_size=page_size, cursor=cursor))

    async def create(self, title: str, *, description: str | None = None) -> ConversationTag:
        """Make a tag (POST /v1/convai/tags).

        Making one twice makes two, so a request that the service may have acted on is not repeated, unless
        the retry policy has ``repeat_unsafe``.

        Args:
            title: Its name.
            description: What it means.

        Raises:
            InvalidArgumentError: The title is empty or odd.
            ConvAIError: As for any request.
        """
        return await self._engine.send(calls.create_tag(title, description))

    async def get(self, tag_id: str) -> ConversationTag:
        """Get a tag (GET /v1/convai/tags/{tag_id}).

        Raises:
            InvalidArgumentError: The id is empty or odd.
            NotFoundError: There is no such tag.
            ConvAIError: As for any request.
        """
        return await self._engine.send(calls.get_tag(tag_id))

    async def update(
        self, tag_id: str, *, title: str | UnsetType | None = UNSET, description: str | UnsetType | None = UNSET
    ) -> ConversationTag:
        """Change a tag (PATCH /v1/convai/tags/{tag_id}); what is not given stays as it is.

        Args:
            tag_id: Which one.
            title: Its new name.
            description: Its new meaning; None takes it away.

        Raises:
            InvalidArgumentError: The id is empty or odd, or nothing is to be changed.
            ConvAIError: As for any request.
        """
        fields = {"title": title, "description": description}
        given = {name: value for name, value in fields.items() if not isinstance(value, UnsetType)}
        return await self._engine.send(calls.update_tag(tag_id, **given))

    async def delete(self, tag_id: str) -> None:
        """Delete a tag (DELETE /v1/convai/tags/{tag_id}).

        Raises:
            InvalidArgumentError: The id is empty or odd.
            NotFoundError: There was none at the first attempt.
            ConvAIError: As for any request.
        """
        await self._engine.send(calls.delete_tag(tag_id))

    async def assign(self, conversation_id: str, *, tag_ids: Sequence[str]) -> None:
        """Give a conversation tags (POST /v1/convai/conversations/{conversation_id}/tags).

        Args:
            conversation_id: Which one.
            tag_ids: Which tags, besides those that it has.

        Raises:
            InvalidArgumentError: An id is empty or odd, or there is none.
            ConvAIError: As for any request.
        """
        await self._engine.send(calls.assign_tags(conversation_id, tag_ids))

    async def unassign(self, conversation_id: str, tag_id: str) -> None:
        """Take a tag from a conversation (DELETE /v1/convai/conversations/{conversation_id}/tags/{tag_id}).

        Raises:
            InvalidArgumentError: An id is empty or odd.
            NotFoundError: The conversation did not have it at the first attempt.
            ConvAIError: As for any request.
        """
        await self._engine.send(calls.unassign_tag(conversation_id, tag_id))
