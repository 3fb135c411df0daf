"""The changes that a harvest makes to an archive, except for its conversations, in the transaction of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.archive import _recordings
from convai_async.archive._deleted_ids import remember_deleted
from convai_async.archive._records import encode_summary
from convai_async.archive._schema._tables import CONVERSATION_TABLES
from convai_async.archive._windows import merge_windows, read_windows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from convai_async.archive._connection import Connection
    from convai_async.archive._records import ConversationUpdate, DeletionUpdate, Failure, Recording, RecordingUpdate
    from convai_async.archive._windows import Window

_UPSERT_RECORDING = """\
INSERT INTO audio (conversation_id, path, size, sha256, content_type) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (conversation_id) DO UPDATE SET
    path = excluded.path, size = excluded.size, sha256 = excluded.sha256, content_type = excluded.content_type
"""


def store_recordings(connection: Connection, updates: Sequence[RecordingUpdate], now: int) -> None:
    """Store which conversations have a saved recording, and which have none at the service."""
    saved = [_build_audio_row(update.conversation_id, update.audio) for update in updates if update.audio is not None]
    connection.executemany(_UPSERT_RECORDING, saved)
    connection.executemany(
        "UPDATE conversations SET no_audio_unix_secs = ? WHERE conversation_id = ?",
        [(None if update.audio else update.unix_secs or now, update.conversation_id) for update in updates],
    )
    clear_failures(connection, (update.conversation_id for update in updates), "audio")


def store_failures(connection: Connection, failures: Iterable[Failure], now: int) -> None:
    """Store failures; the attempts of earlier runs are added."""
    connection.executemany(
        """
        INSERT INTO failures (conversation_id, part, error, attempts, failed_unix_secs, summary_json)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (conversation_id, part) DO UPDATE SET
            error = excluded.error,
            attempts = failures.attempts + excluded.attempts,
            failed_unix_secs = excluded.failed_unix_secs,
            summary_json = coalesce(excluded.summary_json, failures.summary_json)
        """,
        [
            (each.conversation_id, each.part, each.error, each.attempts, now, encode_summary(each.summary))
            for each in failures
        ],
    )


def clear_failures(connection: Connection, ids: Iterable[str], part: str) -> None:
    """Delete the failures of a part of conversations."""
    connection.executemany(
        "DELETE FROM failures WHERE conversation_id = ? AND part = ?",
        [(conversation_id, part) for conversation_id in ids],
    )


def mark_deleted(connection: Connection, updates: Sequence[DeletionUpdate], now: int) -> None:
    """Note that the service has deleted conversations."""
    connection.executemany(
        "UPDATE conversations SET deleted_unix_secs = ? WHERE conversation_id = ?",
        [(update.unix_secs or now, update.conversation_id) for update in updates],
    )
    delete_rows(connection, ("failures",), [update.conversation_id for update in updates])


def remove_conversations(connection: Connection, ids: Sequence[str], now: int, *, pruned: bool = False) -> int:
    """Remove the rows of conversations, remember that, and return how many conversations were removed."""
    remember_deleted(connection, ids, now, pruned=pruned)
    changed = delete_rows(connection, CONVERSATION_TABLES, ids)
    # A list entry that could not be read is stored without its conversation's id.
    changed += connection.executemany(
        "DELETE FROM failures WHERE part = 'list' AND instr(summary_json, ?) > 0",
        [(msgspec.json.encode(each),) for each in ids],
    ).rowcount
    count = connection.executemany(
        "DELETE FROM conversations WHERE conversation_id = ?", [(conversation_id,) for conversation_id in ids]
    ).rowcount
    if changed + count:
        mark_scrub_due(connection)
    return count


def find_recordings(connection: Connection, ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return the ids and paths of recordings, and the paths at which a killed harvest can have left one without a row.

    Such a recording is in a folder, or has a prefix, that the row of another recording has.
    """
    query = "SELECT path FROM audio WHERE conversation_id = ?"
    saved = [(each, path) for each in ids for (path,) in connection.execute(query, (each,))]
    others = set(ids).difference(conversation_id for conversation_id, _ in saved)
    query = "SELECT 1 FROM conversations WHERE conversation_id = ? AND has_audio"
    without = [each for each in others if connection.execute(query, (each,)).fetchone()]
    if not without:
        return saved
    folders = connection.execute("SELECT DISTINCT rtrim(path, replace(path, '/', '')) FROM audio")
    return saved + [(each, f"{folder}{_recordings.get_file_name(each)}") for (folder,) in folders for each in without]


def removes_messages(connection: Connection, update: ConversationUpdate) -> bool:
    """Return whether a stored message is not in the new document, as after the service has redacted it."""
    messages = update.messages
    rows = connection.execute(
        "SELECT message FROM turns WHERE conversation_id = ? AND message IS NOT NULL", (update.conversation_id,)
    )
    return any(message not in messages for (message,) in rows)


def mark_scrub_due(connection: Connection) -> None:
    """Record that the file may still contain removed text."""
    connection.execute("UPDATE archive SET scrub_due = 1")


def add_windows(connection: Connection, windows: Iterable[Window], agent_id: str) -> None:
    """Record ranges of an agent's list as read; an empty id means all agents."""
    every = merge_windows([*read_windows(connection, {agent_id}), *windows])
    connection.execute("DELETE FROM windows WHERE agent_id = ?", (agent_id,))
    connection.executemany(
        "INSERT INTO windows (agent_id, start_unix_secs, end_unix_secs) VALUES (?, ?, ?)",
        [(agent_id, window.start, window.end) for window in every],
    )


def delete_rows(connection: Connection, tables: Sequence[str], ids: Collection[str]) -> int:
    """Delete the rows of conversations from tables, and return how many there were."""
    if not ids:
        return 0
    rows = [(conversation_id,) for conversation_id in ids]
    return sum(
        connection.executemany(f"DELETE FROM {table} WHERE conversation_id = ?", rows).rowcount  # noqa: S608
        for table in tables
    )


def _build_audio_row(conversation_id: str, audio: Recording) -> tuple[Any, ...]:
    return conversation_id, audio.path, audio.size, audio.sha256, audio.content_type
