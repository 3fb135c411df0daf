"""Put single conversations into an archive, as a webhook brings them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.harvest._rows import fetched
from convai_async.harvest._writer import ArchiveWriter
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    import os

    from convai_async.models import Conversation


def store_conversation(
    path: str | os.PathLike[str], conversation: Conversation, *, source: str, event_timestamp: int | None = None
) -> None:
    """Put a conversation that a webhook brought into an archive. Blocks: call it in a thread.

    Events can come twice, late, and without the transcript (``exclude_transcript``). So a conversation that is in the
    archive is replaced only by a document that lacks nothing of it: its status is final if that one's is, it has at
    least as many turns, and an analysis if that one has. Such a document replaces

    - one that a harvest read and whose status is final, only if ``event_timestamp`` says that the event is later;
    - any other, if it has more (a final status, more turns, an analysis), if its event is later, or if it is not known
      when its event was.

    Otherwise nothing changes. A harvest's document replaces any other, except that one whose status is not final
    leaves a webhook's alone that is final and lacks nothing of it: it was fetched before.

    A conversation counts as complete when its status is final and its transcript is there. The next harvest fetches
    those that are not, and those that the list shows otherwise than the webhook: status, result, title, summary,
    rating, or more messages. The others it leaves as they are; their ``raw`` is the model's JSON, and ``from_webhook``
    is 1. Writes wait for each other and for the batches of a harvest.

    Args:
        path: The archive; made when it is not there.
        conversation: What to put into it.
        source: The address of the service that it is of: the client's ``base_url``.
        event_timestamp: The event's, in unix seconds; None if it is not known.

    Raises:
        ArchiveBusyError: Others have been writing for 30 s without a pause; retry the event later.
        ArchiveError: The archive cannot be written, or is of another service.
    """
    summary = ConversationSummary(conversation_id=conversation.conversation_id)
    item = fetched(summary, conversation.to_json(), conversation, event_timestamp, from_webhook=True)
    with ArchiveWriter(path, source, exclusive=False) as writer:
        writer.store_if_better(item)
