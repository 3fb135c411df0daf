"""Tags of conversations."""

from __future__ import annotations

from datetime import datetime

from convai_async._support.timestamps import utc_datetime
from convai_async.models._list_item import ListItem

__all__ = ["ConversationTag"]


class ConversationTag(ListItem, gc=True, dict=True):
    """A tag that conversations can have.

    Schema: ConversationTagResponseModel.

    Attributes:
        created_at_unix_secs: Unix seconds; `created_at` is the same as a datetime.
    """

    tag_id: str
    workspace_id: str | None = None
    owner_user_id: str | None = None
    title: str | None = None
    description: str | None = None
    created_at_unix_secs: int | None = None

    @property
    def created_at(self) -> datetime | None:
        """When the tag was made, in UTC."""
        return utc_datetime(self.created_at_unix_secs)
