"""Remember the conversations that were deleted from an archive, so that nothing stores them again.

Only the hash of an id is kept. It confirms an id to those who know it, and does not disclose it to others.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from convai_async.archive._sql import BY_ID, encode_list

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convai_async.archive._connection import Connection


def remember_deleted(connection: Connection, ids: Iterable[str], now: int, *, pruned: bool) -> None:
    """Remember ids as deleted, in the transaction of the caller.

    Args:
        connection: A connection to the archive.
        ids: The ids of the conversations.
        now: The current time in Unix seconds.
        pruned: Whether they are removed because the service does not have them.
    """
    connection.executemany(
        "INSERT INTO deleted_ids (id_sha256, deleted_unix_secs, pruned) VALUES (?, ?, ?) ON CONFLICT (id_sha256)"
        " DO UPDATE SET deleted_unix_secs = excluded.deleted_unix_secs, pruned = deleted_ids.pruned * excluded.pruned",
        [(_hash(conversation_id), now, int(pruned)) for conversation_id in ids],
    )


def find_deleted(connection: Connection, ids: Iterable[str], *, at_service: bool = False) -> set[str]:
    """Return the ids that were deleted from the archive, and are not in it.

    A deleted conversation can be in the archive again: those who want that can insert its row with SQL.

    Args:
        connection: A connection to the archive.
        ids: The ids to look for.
        at_service: Whether the service has these conversations: those that were pruned do not count then, since the
            service had only lost them for a time.
    """
    by_hash = {_hash(conversation_id): conversation_id for conversation_id in ids}
    rows = connection.execute(
        "SELECT id_sha256 FROM deleted_ids WHERE id_sha256 IN (SELECT value FROM json_each(?)) AND pruned <= ?",
        (encode_list(by_hash), int(not at_service)),
    ).fetchall()
    found = {by_hash[each] for (each,) in rows}
    if not found:
        return found
    stored = connection.execute(
        f"SELECT conversation_id FROM conversations WHERE {BY_ID}",  # noqa: S608 - a constant
        (encode_list(found),),
    )
    return found - {conversation_id for (conversation_id,) in stored}


def _hash(conversation_id: str) -> str:
    return hashlib.sha256(conversation_id.encode()).hexdigest()
