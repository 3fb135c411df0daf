"""Put single conversations into an archive, as a webhook brings them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.harvest._rows import fetched
from convai_async.harvest._writer import ArchiveWriter
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    import os

    from convai_async.models import Conversation


def store_conversation(path: str | os.PathLike[str], conversation: Conversation, *, source: str) -> None:
    """Put a conversation into an archive, in place of what is there of the same id. Blocks: call it in a thread.

    Its ``raw`` is the model's JSON, until the next harvest within the lookback fetches the service's own.

    Args:
        path: The archive; made when it is not there.
        conversation: What to put into it.
        source: The address of the service that it is of: the client's ``base_url``.

    Raises:
        ArchiveBusyError: A harvest writes to the archive; it fetches the conversation itself.
        ArchiveError: The archive cannot be written, or is of another service.
    """
    summary = ConversationSummary(conversation_id=conversation.conversation_id)
    with ArchiveWriter(path, source) as writer:
        writer.store([fetched(summary, conversation.to_json(), conversation)])
