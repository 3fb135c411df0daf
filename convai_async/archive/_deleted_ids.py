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


def remember_deleted(connection: Connection, ids: Iterable[str], now: int) -> None:
    """Remember ids as deleted, in the transaction of the caller."""
    connection.executemany(
        "INSERT INTO deleted_ids (id_sha256, deleted_unix_secs) VALUES (?, ?)"
        " ON CONFLICT (id_sha256) DO UPDATE SET deleted_unix_secs = excluded.deleted_unix_secs",
        [(_hash(conversation_id), now) for conversation_id in ids],
    )


def find_deleted(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return the ids that were deleted from the archive, and are not in it.

    A deleted conversation can be in the archive again: those who want that can insert its row with SQL.
    """
    by_hash = {_hash(conversation_id): conversation_id for conversation_id in ids}
    rows = connection.execute(
        "SELECT id_sha256 FROM deleted_ids WHERE id_sha256 IN (SELECT value FROM json_each(?))",
        (encode_list(by_hash),),
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
