"""Search the turns of conversations, at the same speed in archives of any size."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._search_terms import parse_terms, to_fts_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convai_async.archive import ArchiveReader

MARK = "\x02", "\x03"
"""Before and after a word of an excerpt that was searched for."""

MAX_CANDIDATES = 5_000
"""The maximum number of rows to look up in an index; with more, reading the list finds a page as quickly."""

_HITS_SHOWN = 2
_SHORT_PREFIX = re.compile(r'"\W*\w{1,2}"\*')
"""SQLite reads all words with a prefix before it returns the first row: too many for so few letters."""

_CREATE_INDEX = """CREATE VIRTUAL TABLE excerpts USING fts5 (message, conversation_id UNINDEXED,
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

    SQLite makes the excerpts in memory, whatever the archive's database: the same words match as in its index.

    Args:
        reader: Reads the archive.
        text: The words, as for `Archive.search`.

    Raises:
        InvalidArgumentError: The text contains no word.
    """

    def __init__(self, reader: ArchiveReader, text: str) -> None:
        self._reader = reader
        self._terms = parse_terms(text)
        self._expression = to_fts_query(self._terms)
        self._excerpts = sqlite3.connect(":memory:")
        self._excerpts.execute(_CREATE_INDEX)

    def close(self) -> None:
        """Free the memory of the excerpts."""
        self._excerpts.close()

    def find_candidates(self) -> list[str] | None:
        """Return the conversations with a hit, or None if there are too many hits."""
        if _SHORT_PREFIX.search(self._expression):
            return None
        return self._reader.find_matches(self._terms, MAX_CANDIDATES)

    def find_hits(self, ids: Sequence[str]) -> dict[str, list[Hit]]:
        """Return the first turns with a hit of those conversations that have one."""
        (last,) = self._excerpts.execute("SELECT coalesce(max(rowid), 0) FROM excerpts").fetchone()
        self._excerpts.executemany(
            "INSERT INTO excerpts (conversation_id, position, role, message) VALUES (?, ?, ?, ?)",
            self._reader.connection.execute(
                "SELECT conversation_id, position, role, message FROM turns"  # noqa: S608
                f" WHERE {build_choice(ids)} AND message IS NOT NULL ORDER BY conversation_id, position",
                ids,
            ),
        )
        hits: dict[str, list[Hit]] = {}
        for conversation_id, *fields in self._excerpts.execute(
            "SELECT conversation_id, position, role, snippet(excerpts, 0, ?, ?, '…', 24) FROM excerpts"
            " WHERE excerpts MATCH ? AND rowid > ? ORDER BY rowid",
            (*MARK, f"{{message}}: {self._expression}", last),
        ):
            of_conversation = hits.setdefault(conversation_id, [])
            if len(of_conversation) < _HITS_SHOWN:
                of_conversation.append(msgspec.convert(dict(zip(Hit.__struct_fields__, fields, strict=True)), Hit))
        return hits


def build_choice(ids: Sequence[str]) -> str:
    """Return the condition for conversations with these ids, which are its parameters."""
    return f"conversation_id IN ({', '.join(['?'] * len(ids)) or 'NULL'})"


def to_json(values: Sequence[object]) -> str:
    """Return a list for ``json_each``."""
    return msgspec.json.encode(values).decode()
