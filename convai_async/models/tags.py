"""Tags."""

from __future__ import annotations

from datetime import datetime

from convai_async._support.timestamps import to_utc_datetime
from convai_async.models._list_item import ListItem

__all__ = ["ConversationTag"]


class ConversationTag(ListItem, gc=True, dict=True):
    """A tag for conversations.

    Schema: ConversationTagResponseModel.

    Attributes:
        owner_user_id: The user who owns the tag.
        created_at_unix_secs: The time of creation in Unix seconds; see `created_at`.
    """

    tag_id: str
    workspace_id: str | None = None
    owner_user_id: str | None = None
    title: str | None = None
    description: str | None = None
    created_at_unix_secs: int | None = None

    @property
    def created_at(self) -> datetime | None:
        """The time of creation in UTC, or None if it is unknown."""
        return to_utc_datetime(self.created_at_unix_secs)
