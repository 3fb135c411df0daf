"""Search the turns of conversations, at the same speed in archives of any size."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from convai_async.archive import build_fts_query

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

MARK = "\x02", "\x03"
"""Before and after a word of an excerpt that was searched for."""

MAX_CANDIDATES = 5_000
"""The maximum number of rows to look up in an index; with more, reading the list finds a page as quickly."""

_HITS_SHOWN = 2
_SHORT_PREFIX = re.compile(r'"\W*\w{1,2}"\*')
"""SQLite reads all words with a prefix before it returns the first row: too many for so few letters."""

# Not in the archive, which is read-only. The same words match here as in its index.
CREATE_TEMPORARY_INDEX = """CREATE VIRTUAL TABLE temp.excerpts USING fts5 (message, conversation_id UNINDEXED,
position UNINDEXED, role UNINDEXED, tokenize='unicode61 remove_diacritics 2')"""


class Hit(msgspec.Struct, frozen=True):
    """A turn that a search found.

    Attributes:
        position: The index of the turn in the transcript, from 0.
        role: ``"user"`` or ``"agent"``.
        excerpt: A part of the message, with `MARK` around each word that was searched for.
    """

    position: int
    role: str | None
    excerpt: str


class TurnSearch:
    """A search for the turns that contain all words of a text.

    Args:
        connection: The connection to the archive, with the table of `CREATE_TEMPORARY_INDEX`.
        text: The words, as for `Archive.search`.

    Raises:
        InvalidArgumentError: The text contains no word.
    """

    def __init__(self, connection: sqlite3.Connection, text: str) -> None:
        self._connection = connection
        self._expression = build_fts_query(text)

    def find_candidates(self) -> list[str] | None:
        """Return the conversations with a hit, or None if there are too many hits."""
        if _SHORT_PREFIX.search(self._expression):
            return None
        turn_ids = [
            turn_id
            for (turn_id,) in self._connection.execute(
                "SELECT rowid FROM turns_search WHERE turns_search MATCH ? LIMIT ?",
                (self._expression, MAX_CANDIDATES + 1),
            )
        ]
        if len(turn_ids) > MAX_CANDIDATES:
            return None
        rows = self._connection.execute(
            "SELECT DISTINCT conversation_id FROM json_each(?) CROSS JOIN turns ON turn_id = value",
            (to_json(turn_ids),),
        )
        return [conversation_id for (conversation_id,) in rows]

    def find_hits(self, ids: Sequence[str]) -> dict[str, list[Hit]]:
        """Return the first turns with a hit of those conversations that have one."""
        (last,) = self._connection.execute("SELECT coalesce(max(rowid), 0) FROM excerpts").fetchone()
        self._connection.execute(
            "INSERT INTO excerpts (message, conversation_id, position, role)"
            " SELECT message, conversation_id, position, role FROM json_each(?) CROSS JOIN turns"
            " ON conversation_id = value WHERE message IS NOT NULL",
            (to_json(ids),),
        )
        hits: dict[str, list[Hit]] = {}
        for conversation_id, *fields in self._connection.execute(
            "SELECT conversation_id, position, role, snippet(excerpts, 0, ?, ?, '…', 24) FROM excerpts"
            " WHERE excerpts MATCH ? AND rowid > ? ORDER BY rowid",
            (*MARK, f"{{message}}: {self._expression}", last),
        ):
            of_conversation = hits.setdefault(conversation_id, [])
            if len(of_conversation) < _HITS_SHOWN:
                of_conversation.append(msgspec.convert(dict(zip(Hit.__struct_fields__, fields, strict=True)), Hit))
        return hits


def to_json(values: Sequence[object]) -> str:
    """Return a list for SQLite's ``json_each``."""
    return msgspec.json.encode(values).decode()
