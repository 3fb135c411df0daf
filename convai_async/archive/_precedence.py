"""Decide which of two documents of a conversation the archive keeps: `Archive.add` has the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convai_async.models.enums import FINAL_STATUSES

if TYPE_CHECKING:
    from convai_async.archive._connection import Connection
    from convai_async.archive._records import ConversationUpdate

IS_COMPLETE = (
    f"(coalesce(status, '') IN {FINAL_STATUSES} AND NOT (from_webhook AND NOT EXISTS"  # noqa: S608 - constants
    " (SELECT 1 FROM turns WHERE turns.conversation_id = conversations.conversation_id)))"
)
"""A condition on ``conversations``: the conversation is not fetched again.

A webhook can leave the transcript out; an empty transcript from the service is complete.
"""


class DocumentState(msgspec.Struct, frozen=True):
    """The properties that decide between two documents of a conversation.

    Attributes:
        is_final: Whether its status is final.
        turns: How many turns it has.
        is_analysed: Whether the service's analysis is in it.
        from_webhook: Whether it came from a webhook.
        unix_secs: When it was fetched, or when its event happened; None if it is unknown.
        has_audio: Whether there is a recording.
    """

    is_final: bool
    turns: int
    is_analysed: bool
    from_webhook: bool
    unix_secs: int | None
    has_audio: bool

    @classmethod
    def from_update(cls, item: ConversationUpdate) -> DocumentState:
        """Return the properties of a conversation that is to be stored."""
        row = item.row
        return cls(
            is_final=item.is_final,
            turns=item.turn_count,
            is_analysed=row["call_successful"] is not None or row["transcript_summary"] is not None,
            from_webhook=bool(row["from_webhook"]),
            unix_secs=row["fetched_unix_secs"],
            has_audio=bool(row["has_audio"]),
        )

    @classmethod
    def read(cls, connection: Connection, conversation_id: str) -> DocumentState | None:
        """Return the properties of the conversation that an archive has, or None if it has none."""
        row = connection.execute(
            f"SELECT coalesce(status, '') IN {FINAL_STATUSES},"  # noqa: S608 - constants
            " (SELECT count(*) FROM turns WHERE turns.conversation_id = conversations.conversation_id),"
            " call_successful IS NOT NULL OR transcript_summary IS NOT NULL,"
            " from_webhook, fetched_unix_secs, has_audio FROM conversations WHERE conversation_id = ?",
            (conversation_id,),
        ).fetchone()
        if row is None:
            return None
        return msgspec.convert(dict(zip(cls.__struct_fields__, row, strict=True)), cls, strict=False)

    def is_as_complete_as(self, other: DocumentState) -> bool:
        """Return whether this document has everything that the other has."""
        return self.is_final >= other.is_final and self.turns >= other.turns and self.is_analysed >= other.is_analysed

    def may_replace(self, stored: DocumentState) -> bool:
        """Return whether this document, from a webhook, replaces the stored one."""
        if not self.is_as_complete_as(stored):
            return False
        settled = stored.is_final and not stored.from_webhook
        is_newer = not settled if self.unix_secs is None else self.unix_secs > (stored.unix_secs or 0)
        return is_newer or not (settled or stored.is_as_complete_as(self))
