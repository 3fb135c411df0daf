"""Store the conversations of webhooks in an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive._archive import Archive

if TYPE_CHECKING:
    from convai_async.archive._location import ArchivePath, PostgresUrl
    from convai_async.models import Conversation


def store_conversation(
    path: ArchivePath | PostgresUrl, conversation: Conversation, *, source: str, event_timestamp: int | None = None
) -> bool:
    """Store a webhook's conversation in an archive, and return whether it was stored. Blocks: call it in a thread.

    `Archive.add` explains when it replaces a stored conversation. One that was deleted from the archive is not stored
    again.

    Args:
        path: The file of the archive, or the URL of a PostgreSQL database; created if it does not exist.
        conversation: The conversation: the ``data`` of the event.
        source: The address of the service: the client's ``base_url``.
        event_timestamp: The event's ``event_timestamp`` in Unix seconds; None (default) if it is unknown.

    Raises:
        ArchiveBusyError: Other processes have been writing for 30 seconds; retry the event later.
        ArchiveError: The archive cannot be written, or belongs to another service.
    """
    with Archive.open(path, create=True, source=source) as archive:
        return archive.add(conversation, event_timestamp=event_timestamp)
