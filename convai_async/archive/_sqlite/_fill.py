"""Fill the columns and tables that an upgrade has added, from the documents.

Each batch is a transaction that also stores its position: after a kill, the next process that opens the archive for
writing continues there. Readers refuse the archive until it is complete.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from convai_async.archive._records import is_utf8
from convai_async.archive._schema._facts import read_facts
from convai_async.archive._schema._rows import get_inserted_columns, read_conversation, read_tool_calls, read_turns
from convai_async.archive._schema._tables import CONVERSATIONS, TOOL_CALLS, TURNS
from convai_async.archive._sql import fetch_value, transaction
from convai_async.archive._sqlite._changes import delete_facts, insert_facts
from convai_async.archive._sqlite._statements import execute_many
from convai_async.errors import DecodeError
from convai_async.models import Conversation, ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from convai_async.archive._connection import SqliteConnection
    from convai_async.archive._schema._facts import Facts
    from convai_async.archive._schema._table import Table

_logger = logging.getLogger("convai_async")

_BATCH = 200
_FIRST_VERSION = 5
"""The version of the schema whose migration added the first columns that have to be filled."""


def is_fill_due(connection: SqliteConnection) -> bool:
    """Return whether an upgrade of the archive is not complete."""
    return fetch_value(connection, "SELECT upgraded_to FROM archive") is not None


def fill_new_columns(connection: SqliteConnection, file: Path, progress: Callable[[int, int], None] | None) -> None:
    """Fill the new columns of all conversations that do not have them yet.

    Args:
        connection: The connection to the archive.
        file: Its file, for the log.
        progress: Called after each batch with the number of conversations so far, and the number of all.
    """
    if not is_fill_due(connection):
        return
    done, total = connection.execute(
        "SELECT count(*) FILTER (WHERE conversation_id <= upgraded_to), count(*) FROM conversations, archive"
    ).fetchone()
    _logger.info("upgrading %r: reading %d conversations again", str(file), total - done)
    while count := _fill_batch(connection):
        done += count
        if progress is not None:
            progress(min(done, total), total)
    _logger.info("upgraded %r", str(file))


def _fill_batch(connection: SqliteConnection) -> int:
    """Fill the next conversations, and return how many there were; 0 if none is left."""
    with transaction(connection):  # another process may be filling them too
        rows = connection.execute(
            "SELECT conversation_id FROM conversations, archive WHERE conversation_id > upgraded_to"
            " ORDER BY conversation_id LIMIT ?",
            (_BATCH,),
        )
        ids = [conversation_id for (conversation_id,) in rows]
        _fill(connection, ids)
        connection.execute("UPDATE archive SET upgraded_to = ?", (ids[-1] if ids else None,))
    return len(ids)


def _fill(connection: SqliteConnection, ids: Sequence[str]) -> None:
    conversations: list[tuple[Any, ...]] = []
    turns: list[Any] = []
    tool_calls: list[Any] = []
    facts: list[Facts] = []
    names = _list_new_columns(CONVERSATIONS)
    for conversation_id in ids:
        raw, decode_error = connection.execute(
            "SELECT raw, decode_error FROM conversations WHERE conversation_id = ?", (conversation_id,)
        ).fetchone()
        conversation = _decode(raw) if decode_error is None else None
        row = read_conversation(ConversationSummary(conversation_id=conversation_id), conversation)
        row["raw_is_utf8"] = isinstance(raw, bytes) and is_utf8(raw)
        conversations.append((*(row[name] for name in names), conversation_id))
        if conversation is not None:
            turns += read_turns(conversation_id, conversation)
            tool_calls += read_tool_calls(conversation_id, conversation)
            facts.append(read_facts(conversation_id, conversation))
    assignments = ", ".join(f"{name} = ?" for name in names)
    execute_many(
        connection,
        f"UPDATE conversations SET {assignments} WHERE conversation_id = ?",  # noqa: S608
        conversations,
    )
    _update(connection, TURNS, turns)
    _update(connection, TOOL_CALLS, tool_calls)
    delete_facts(connection, ids)
    insert_facts(connection, facts)


def _update(connection: SqliteConnection, table: Table, values: list[Any]) -> None:
    names = _list_new_columns(table)
    columns = get_inserted_columns(table)
    places = [columns.index(name) for name in names]
    rows = [values[first : first + len(columns)] for first in range(0, len(values), len(columns))]
    assignments = ", ".join(f"{name} = ?" for name in names)
    execute_many(
        connection,
        f"UPDATE {table.name} SET {assignments} WHERE conversation_id = ? AND position = ?",  # noqa: S608
        [(*(row[place] for place in places), *row[:2]) for row in rows],
    )


def _list_new_columns(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.since >= _FIRST_VERSION]


def _decode(raw: object) -> Conversation | None:
    if not isinstance(raw, bytes):  # convai_async did not write it
        return None
    try:
        return Conversation.from_json(raw)
    except DecodeError:
        return None
