"""Store conversations in SQLite, in the transaction of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive._changes import delete_rows, mark_scrub_due, removes_messages
from convai_async.archive._schema._rows import get_inserted_columns
from convai_async.archive._schema._tables import DETAIL_NAMES, FACT_TABLES, TOOL_CALLS, TURNS
from convai_async.archive._sql import fetch_value
from convai_async.archive._sqlite._statements import insert_rows, upsert_rows
from convai_async.archive._steps._jobs import has_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convai_async.archive._connection import SqliteConnection
    from convai_async.archive._records import ConversationUpdate
    from convai_async.archive._schema._facts import Facts
    from convai_async.archive._schema._rows import Row

_TURN_COLUMNS = get_inserted_columns(TURNS)
_TOOL_COLUMNS = get_inserted_columns(TOOL_CALLS)
_HAS_ROW = " OR ".join(
    f"EXISTS (SELECT 1 FROM {name} WHERE conversation_id = column1)"  # noqa: S608
    for name in ("conversations", *DETAIL_NAMES)
)


def store_conversations(connection: SqliteConnection, updates: Sequence[ConversationUpdate], now: int) -> list[str]:
    """Store conversations with their turns and tool calls, in place of those of the same ids: see `Store`."""
    stored = _find_stored(connection, [update.conversation_id for update in updates])
    changed = _find_changed(connection, updates, stored) if has_steps(connection) else []
    if any(removes_messages(connection, update) for update in updates if update.conversation_id in stored):
        mark_scrub_due(connection)
    delete_rows(connection, DETAIL_NAMES, stored)
    _upsert(connection, [update.row for update in updates], now)
    insert_rows(connection, TURNS.name, _TURN_COLUMNS, [update.turns for update in updates])
    insert_rows(connection, TOOL_CALLS.name, _TOOL_COLUMNS, [update.tool_calls for update in updates])
    insert_facts(connection, [update.facts for update in updates if update.facts])
    return changed


def insert_facts(connection: SqliteConnection, facts: Sequence[Facts]) -> None:
    """Insert the rows of `FACT_TABLES` of conversations that have none."""
    for table, values in zip(FACT_TABLES, zip(*facts, strict=True), strict=False):
        insert_rows(connection, table.name, [column.name for column in table.columns], values)


def delete_facts(connection: SqliteConnection, ids: Sequence[str]) -> None:
    """Delete the rows of `FACT_TABLES` of conversations."""
    delete_rows(connection, [table.name for table in FACT_TABLES], ids)


def _find_stored(connection: SqliteConnection, ids: Sequence[str]) -> set[str]:
    """Return the ids that have rows already, perhaps without a conversation: other programs ignore foreign keys."""
    if not ids:
        return set()
    listed = ", ".join(["(?)"] * len(ids))
    rows = connection.execute(f"SELECT column1 FROM (VALUES {listed}) WHERE {_HAS_ROW}", ids)  # noqa: S608
    return {conversation_id for (conversation_id,) in rows}


def _find_changed(connection: SqliteConnection, updates: Sequence[ConversationUpdate], stored: set[str]) -> list[str]:
    """Return the ids of the stored conversations whose document is another one."""
    query = "SELECT NOT EXISTS (SELECT 1 FROM conversations WHERE conversation_id = ? AND raw = ?)"
    return [
        update.conversation_id
        for update in updates
        if update.conversation_id in stored
        and fetch_value(connection, query, update.conversation_id, update.row["raw"])
    ]


def _upsert(connection: SqliteConnection, rows: Sequence[Row], now: int) -> None:
    """Insert or update rows with the same columns; ``now`` is the time of those that were fetched now."""
    if not rows:
        return
    columns = list(rows[0])
    values = [list(map(row.__getitem__, columns)) for row in rows]
    place = columns.index("fetched_unix_secs")
    for each in values:
        if each[place] is None:
            each[place] = now
    upsert_rows(connection, "conversations", columns, values)
