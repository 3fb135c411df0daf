"""Store conversations in PostgreSQL, in the transaction of the caller."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

from convai_async.archive._changes import delete_rows, mark_scrub_due, removes_messages
from convai_async.archive._int64 import int64_or_none
from convai_async.archive._postgres._clean import clean_update
from convai_async.archive._postgres._connection import translate_database_errors
from convai_async.archive._postgres._schema import get_type
from convai_async.archive._schema._rows import get_inserted_columns
from convai_async.archive._schema._tables import CONVERSATIONS, DETAIL_NAMES, FACT_TABLES, TOOL_CALLS, TURNS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from convai_async.archive._postgres._connection import PostgresConnection
    from convai_async.archive._records import ConversationUpdate
    from convai_async.archive._schema._rows import Row
    from convai_async.archive._schema._table import Table

_LEVEL = 3
_COPY_TYPES = {"text": "text", "bigint": "int8", "double precision": "float8", "boolean": "bool", "bytea": "bytea"}
_TYPES = {
    **{column.name: get_type(column) for column in CONVERSATIONS.columns},
    "raw_zstd": "bytea",
    "raw_sha256": "bytea",
}
_TURN_COLUMNS = get_inserted_columns(TURNS)


def store_conversations(connection: PostgresConnection, updates: Sequence[ConversationUpdate], now: int) -> list[str]:
    """Store conversations with their details, in place of those of the same ids.

    The transaction keeps others from writing, so an id that is not stored yet can be copied in without an upsert. Of a
    document that has not changed, only the other columns are written. See `Store`.
    """
    cleaned = {update.conversation_id: update for update in map(clean_update, updates)}
    stored = _find_stored(connection, list(cleaned))
    rows = {each: _build_row(update, now) for each, update in cleaned.items()}
    new = [update for each, update in cleaned.items() if each not in stored]
    changed = [
        update for each, update in cleaned.items() if each in stored and stored[each] != rows[each]["raw_sha256"]
    ]
    if any(removes_messages(connection, update) for update in changed):
        mark_scrub_due(connection)
    delete_rows(connection, DETAIL_NAMES, [update.conversation_id for update in changed])
    for each in stored:
        _update(connection, rows[each], is_changed=stored[each] != rows[each]["raw_sha256"])
    if new:
        columns = list(rows[new[0].conversation_id])
        types = [_TYPES[name] for name in columns]
        _copy(connection, CONVERSATIONS, columns, types, (tuple(rows[each.conversation_id].values()) for each in new))
    _copy_details(connection, [*new, *changed])
    return [update.conversation_id for update in changed]


def decompress(stored: bytes) -> bytes:
    """Return a document."""
    return zstd.decompress(stored)


def _find_stored(connection: PostgresConnection, ids: list[str]) -> dict[str, bytes]:
    """Return the hashes of the documents that are stored, by id."""
    query = "SELECT conversation_id, raw_sha256 FROM conversations WHERE conversation_id = ANY (?)"
    return dict(connection.execute(query, (ids,)).fetchall())


def _build_row(update: ConversationUpdate, now: int) -> Row:
    row = {name: value for name, value in update.row.items() if name != "raw"}
    raw = update.row["raw"]
    row["raw_zstd"], row["raw_sha256"] = zstd.compress(raw, _LEVEL), hashlib.sha256(raw).digest()
    if row["fetched_unix_secs"] is None:
        row["fetched_unix_secs"] = now
    return row


def _update(connection: PostgresConnection, row: Row, *, is_changed: bool) -> None:
    written = {name: _convert(value, _TYPES[name]) for name, value in row.items() if name != "conversation_id"}
    if not is_changed:
        del written["raw_zstd"], written["raw_sha256"]
    assignments = ", ".join(f"{'raw' if name == 'raw_zstd' else name} = ?" for name in written)
    connection.execute(
        f"UPDATE conversations SET {assignments} WHERE conversation_id = ?",  # noqa: S608 - names of columns
        (*written.values(), row["conversation_id"]),
    )


def _copy_details(connection: PostgresConnection, updates: Sequence[ConversationUpdate]) -> None:
    decoded = [update.facts for update in updates if update.facts]
    for table, columns, lists in (
        (TURNS, _TURN_COLUMNS, [update.turns for update in updates]),
        (TOOL_CALLS, get_inserted_columns(TOOL_CALLS), [update.tool_calls for update in updates]),
        *(
            (table, tuple(column.name for column in table.columns), [facts[number] for facts in decoded])
            for number, table in enumerate(FACT_TABLES)
        ),
    ):
        if any(lists):
            by_name = {column.name: get_type(column) for column in table.columns}
            _copy(connection, table, columns, [by_name[name] for name in columns], _split(lists, len(columns)))


def _split(lists: Iterable[Sequence[Any]], width: int) -> Iterator[Sequence[Any]]:
    for values in lists:
        for first in range(0, len(values), width):
            yield values[first : first + width]


def _copy(
    connection: PostgresConnection,
    table: Table,
    columns: Sequence[str],
    types: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    statement = f"COPY convai.{table.name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with (
        translate_database_errors(connection.url),
        connection.raw.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        copy.set_types([_COPY_TYPES[each] for each in types])
        integers = [place for place, each in enumerate(types) if each == "bigint"]
        for row in rows:
            values = list(row)
            for place in integers:
                values[place] = int64_or_none(values[place])
            copy.write_row(values)


def _convert(value: Any, kind: str) -> Any:
    if kind == "boolean" and value is not None:
        return bool(value)
    return int64_or_none(value)
