"""The changes that the updates of `_records` make to an archive, each within the transaction of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.archive import _recordings
from convai_async.archive._columns import DETAIL_NAMES, FACT_TABLES, TOOL_CALLS, TURNS
from convai_async.archive._records import summary_json
from convai_async.archive._rows import get_inserted_columns
from convai_async.archive._statements import insert_rows, upsert_rows
from convai_async.archive._windows import merge_windows, read_windows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from convai_async.archive._facts import Facts
    from convai_async.archive._records import ConversationUpdate, DeletionUpdate, Failure, Recording, RecordingUpdate
    from convai_async.archive._rows import Row
    from convai_async.archive._windows import Window

_TURN_COLUMNS = get_inserted_columns(TURNS)
_TOOL_COLUMNS = get_inserted_columns(TOOL_CALLS)
_HAS_ROW = " OR ".join(
    f"EXISTS (SELECT 1 FROM {name} WHERE conversation_id = column1)"  # noqa: S608
    for name in ("conversations", *DETAIL_NAMES)
)


def store_conversations(connection: sqlite3.Connection, updates: Sequence[ConversationUpdate], now: int) -> None:
    """Store conversations with their turns and tool calls, in place of those of the same ids."""
    stored = _find_stored(connection, [update.conversation_id for update in updates])
    if any(_removes_messages(connection, update) for update in updates if update.conversation_id in stored):
        mark_scrub_due(connection)
    _delete(connection, DETAIL_NAMES, stored)
    _upsert(connection, "conversations", [update.row for update in updates], fetched_unix_secs=now)
    insert_rows(connection, TURNS.name, _TURN_COLUMNS, [update.turns for update in updates])
    insert_rows(connection, TOOL_CALLS.name, _TOOL_COLUMNS, [update.tool_calls for update in updates])
    insert_facts(connection, [update.facts for update in updates if update.facts])


def insert_facts(connection: sqlite3.Connection, facts: Sequence[Facts]) -> None:
    """Insert the rows of `FACT_TABLES` of conversations that have none."""
    for table, values in zip(FACT_TABLES, zip(*facts, strict=True), strict=False):
        insert_rows(connection, table.name, [column.name for column in table.columns], values)


def delete_facts(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Delete the rows of `FACT_TABLES` of conversations."""
    _delete(connection, [table.name for table in FACT_TABLES], ids)


def _find_stored(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    """Return the ids that have rows already, perhaps without a conversation: other programs ignore foreign keys."""
    if not ids:
        return set()
    listed = ", ".join(["(?)"] * len(ids))
    rows = connection.execute(f"SELECT column1 FROM (VALUES {listed}) WHERE {_HAS_ROW}", ids)  # noqa: S608
    return {conversation_id for (conversation_id,) in rows}


def store_recordings(connection: sqlite3.Connection, updates: Sequence[RecordingUpdate], now: int) -> None:
    """Store which conversations have a saved recording, and which have none at the service."""
    saved = [_audio_row(update.conversation_id, update.audio) for update in updates if update.audio is not None]
    _upsert(connection, "audio", saved)
    connection.executemany(
        "UPDATE conversations SET no_audio_unix_secs = ? WHERE conversation_id = ?",
        [(None if update.audio else update.unix_secs or now, update.conversation_id) for update in updates],
    )
    clear_failures(connection, (update.conversation_id for update in updates), "audio")


def store_failures(connection: sqlite3.Connection, failures: Iterable[Failure], now: int) -> None:
    """Store failures; the attempts of earlier runs are added."""
    connection.executemany(
        """
        INSERT INTO failures (conversation_id, part, error, attempts, failed_unix_secs, summary_json)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
            error = excluded.error,
            attempts = attempts + excluded.attempts,
            failed_unix_secs = excluded.failed_unix_secs,
            summary_json = coalesce(excluded.summary_json, summary_json)
        """,
        [
            (each.conversation_id, each.part, each.error, each.attempts, now, summary_json(each.summary))
            for each in failures
        ],
    )


def clear_failures(connection: sqlite3.Connection, ids: Iterable[str], part: str) -> None:
    """Delete the failures of a part of conversations."""
    connection.executemany(
        "DELETE FROM failures WHERE conversation_id = ? AND part = ?",
        [(conversation_id, part) for conversation_id in ids],
    )


def mark_deleted(connection: sqlite3.Connection, updates: Sequence[DeletionUpdate], now: int) -> None:
    """Note that the service has deleted conversations."""
    connection.executemany(
        "UPDATE conversations SET deleted_unix_secs = ? WHERE conversation_id = ?",
        [(update.unix_secs or now, update.conversation_id) for update in updates],
    )
    _delete(connection, ("failures",), [update.conversation_id for update in updates])


def remove_conversations(connection: sqlite3.Connection, archive: Path, ids: Sequence[str]) -> int:
    """Remove conversations with all their data, and return how many were removed.

    Raises:
        OSError, StorageError: A recording cannot be removed.
    """
    _recordings.remove(archive, ids, _find_recordings(connection, ids))
    changes = connection.total_changes
    _delete(connection, (*DETAIL_NAMES, "audio", "failures"), ids)
    # A list entry that could not be read is stored without its conversation's id.
    connection.executemany(
        "DELETE FROM failures WHERE part = 'list' AND instr(summary_json, ?)",
        [(msgspec.json.encode(each),) for each in ids],
    )
    count = connection.executemany(
        "DELETE FROM conversations WHERE conversation_id = ?", [(conversation_id,) for conversation_id in ids]
    ).rowcount
    if connection.total_changes > changes:
        mark_scrub_due(connection)
    return count


def _find_recordings(connection: sqlite3.Connection, ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return the ids and paths of recordings, and the paths at which a killed harvest can have left one without a row.

    It saves recordings where others are.
    """
    query = "SELECT path FROM audio WHERE conversation_id = ?"
    saved = [(each, path) for each in ids for (path,) in connection.execute(query, (each,))]
    query = "SELECT 1 FROM conversations WHERE conversation_id = ? AND has_audio"
    without = [
        each for each in set(ids).difference(each for each, _ in saved) if connection.execute(query, (each,)).fetchone()
    ]
    if not without:
        return saved
    folders = connection.execute("SELECT DISTINCT rtrim(path, replace(path, '/', '')) FROM audio")
    return saved + [(each, f"{folder}{_recordings.file_name(each)}") for (folder,) in folders for each in without]


def mark_scrub_due(connection: sqlite3.Connection) -> None:
    """Record that the file may still contain removed text."""
    connection.execute("UPDATE archive SET scrub_due = 1")


def add_windows(connection: sqlite3.Connection, windows: Iterable[Window], agent_id: str) -> None:
    """Record ranges of an agent's list as read; an empty id means all agents."""
    every = merge_windows([*read_windows(connection, {agent_id}), *windows])
    connection.execute("DELETE FROM windows WHERE agent_id = ?", (agent_id,))
    connection.executemany(
        "INSERT INTO windows (agent_id, start_unix_secs, end_unix_secs) VALUES (?, ?, ?)",
        [(agent_id, window.start, window.end) for window in every],
    )


def _removes_messages(connection: sqlite3.Connection, update: ConversationUpdate) -> bool:
    """Return whether a stored message is not in the new document, as after the service has redacted it."""
    messages = set(update.turns[_TURN_COLUMNS.index("message") :: len(_TURN_COLUMNS)])
    rows = connection.execute(
        "SELECT message FROM turns WHERE conversation_id = ? AND message IS NOT NULL", (update.conversation_id,)
    )
    return any(message not in messages for (message,) in rows)


def _delete(connection: sqlite3.Connection, tables: Sequence[str], ids: Iterable[str]) -> None:
    for table in tables:
        connection.executemany(
            f"DELETE FROM {table} WHERE conversation_id = ?",  # noqa: S608 - a constant
            [(conversation_id,) for conversation_id in ids],
        )


def _upsert(connection: sqlite3.Connection, table: str, rows: Sequence[Row], **defaults: Any) -> None:
    """Insert or update rows with the same columns; a default replaces null."""
    if not rows:
        return
    columns = list(rows[0])
    values = [list(map(row.__getitem__, columns)) for row in rows]
    for name, default in defaults.items():
        place = columns.index(name)
        for each in values:
            if each[place] is None:
                each[place] = default
    upsert_rows(connection, table, columns, values)


def _audio_row(conversation_id: str, audio: Recording) -> Row:
    return {
        "conversation_id": conversation_id,
        "path": audio.path,
        "size": audio.size,
        "sha256": audio.sha256,
        "content_type": audio.content_type,
    }
