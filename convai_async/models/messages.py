"""What a search in messages finds."""

from __future__ import annotations

from datetime import datetime

from convai_async._support.timestamps import utc_datetime
from convai_async.models._base import Model
from convai_async.models._list_item import ListItem

__all__ = ["MessageHit", "SearchHighlight"]


class SearchHighlight(Model):
    """A part of a text that was found.

    Schema: SearchHighlightSegment.

    Attributes:
        value: The text.
        is_hit: Whether it is what was looked for.
    """

    value: str | None = None
    is_hit: bool = False


class MessageHit(ListItem, gc=True, dict=True):
    """A piece of a transcript in which something was found.

    Schema: MessagesSearchResult.

    Attributes:
        transcript_index: Which turn it is, from 0.
        score: How well it fits; higher is better.
        conversation_start_time_unix_secs: Unix seconds; `conversation_start_time` is the same as a datetime.
    """

    conversation_id: str
    agent_id: str | None = None
    agent_name: str | None = None
    transcript_index: int | None = None
    chunk_text: str | None = None
    chunk_highlights: tuple[SearchHighlight, ...] = ()
    score: float | None = None
    conversation_start_time_unix_secs: int | None = None

    @property
    def conversation_start_time(self) -> datetime | None:
        """When the conversation started, in UTC."""
        return utc_datetime(self.conversation_start_time_unix_secs)
