"""Store the conversations of webhooks in an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive._records import build_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    import os

    from convai_async.models import Conversation


def store_conversation(
    path: str | os.PathLike[str], conversation: Conversation, *, source: str, event_timestamp: int | None = None
) -> None:
    """Store a webhook's conversation in an archive. Blocks: call it in a thread.

    Events can arrive twice, late, and without the transcript (``exclude_transcript``). So a stored conversation is
    replaced only if the new document is at least as complete: its status is final if the stored one's is, it has at
    least as many turns, and it has an analysis if the stored one has. Such a document replaces

    - a final conversation that a harvest fetched, only if ``event_timestamp`` is later than the fetch;
    - any other, if it is more complete (a final status, more turns, an analysis), if its event is later, or if
      ``event_timestamp`` is None.

    Otherwise nothing changes. A document that a harvest fetches replaces any other, with one exception: one that is
    not final does not replace a webhook's that is final and at least as complete, since it was fetched earlier.

    A conversation is complete when its status is final and it has a transcript. The next harvest fetches incomplete
    ones, and those that differ from their line in the list: status, result, title, summary, rating, or more messages
    in the list. It does not fetch the others; their ``raw`` is the model's JSON, and ``from_webhook`` is 1. Writes
    wait for each other and for the transactions of a harvest.

    Args:
        path: The archive's file; created if it does not exist.
        conversation: The conversation to store: the event's ``data``.
        source: The address of the service: the client's ``base_url``.
        event_timestamp: The event's ``event_timestamp`` in unix seconds, or None (default) if it is unknown.

    Raises:
        ArchiveBusyError: Others have been writing for 30 s without a pause; retry the event later.
        ArchiveError: The archive cannot be written, or belongs to another service.
    """
    summary = ConversationSummary(conversation_id=conversation.conversation_id)
    item = build_update(summary, conversation.to_json(), conversation, event_timestamp, from_webhook=True)
    with ArchiveWriter(path, source, exclusive=False) as writer:
        writer.store_if_better(item)
