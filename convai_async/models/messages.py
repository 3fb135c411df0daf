"""Results of searches in messages."""

from __future__ import annotations

from datetime import datetime

from convai_async._support.timestamps import to_utc_datetime
from convai_async.models._base import Model
from convai_async.models._list_item import ListItem

__all__ = ["MessageHit", "SearchHighlight"]


class SearchHighlight(Model):
    """A segment of a found text.

    Schema: SearchHighlightSegment.

    Attributes:
        value: The text.
        is_hit: Whether the segment matches the query.
    """

    value: str | None = None
    is_hit: bool = False


class MessageHit(ListItem, gc=True, dict=True):
    """A message that matches a search.

    Schema: MessagesSearchResult.

    Attributes:
        transcript_index: The index of the turn in the transcript, from 0.
        chunk_text: The text.
        chunk_highlights: The text in segments, with those that match the query.
        score: The relevance; higher is better.
        conversation_start_time_unix_secs: The start time of the conversation in Unix seconds; see
            `conversation_start_time`.
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
        """The start time of the conversation in UTC, or None if it is unknown."""
        return to_utc_datetime(self.conversation_start_time_unix_secs)
