"""Read a page of the list.

Every page takes about the same short time, whatever the size of the archive: a page starts at the conversation where
the one before ended, and ends when it is full or `BUDGET_SECS` have passed. Then the next page continues there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from convai_async.archive import parse_query
from convai_async.browse._filters import Condition, Filters, build_match, build_range
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    import sqlite3

PAGE_SIZE = 50
BUDGET_SECS = 0.05
MOST_CANDIDATES = 2_000
"""With so many turns or tool calls or fewer, read their conversations; with more, look at conversation after
conversation, since many have one."""
_HITS_SHOWN = 2
_POSITION = re.compile(r"(?P<start>-?\d{1,18}|):(?P<conversation_id>[^\0]*)", re.ASCII)

_THEIR_TURNS = (
    "BETWEEN (SELECT min(turn_id) FROM turns WHERE turns.conversation_id = conversations.conversation_id)"
    " AND (SELECT max(turn_id) FROM turns WHERE turns.conversation_id = conversations.conversation_id)"
)
"""A conversation's turns are stored together, so that the full-text index is read in one place."""

_HAS_HIT = f"""EXISTS (SELECT 1 FROM turns_search JOIN turns ON turn_id = turns_search.rowid
WHERE turns_search MATCH ? AND turns_search.rowid {_THEIR_TURNS}
AND turns.conversation_id = conversations.conversation_id)"""  # noqa: S608

_HAS_TOOL_CALL = """EXISTS (SELECT 1 FROM tool_calls
WHERE tool_calls.conversation_id = conversations.conversation_id AND tool_name = ?)"""


class Position(msgspec.Struct, frozen=True):
    """The place of a conversation in the list, which is sorted by start and id, newest first; those without start last.

    Attributes:
        start: The start in Unix seconds, or None.
        conversation_id: The conversation's id.
    """

    start: int | None
    conversation_id: str

    @classmethod
    def from_text(cls, parameter: str, text: str) -> Position:
        """Read a position from a URL.

        Raises:
            InvalidArgumentError: It is not a position.
        """
        found = _POSITION.fullmatch(text)
        if found is None:
            raise InvalidArgumentError(parameter, "is not a position in the list")
        return cls(int(found["start"]) if found["start"] else None, found["conversation_id"])

    def __str__(self) -> str:
        """Return the text that `from_text` reads."""
        return f"{'' if self.start is None else self.start}:{self.conversation_id}"


class Hit(msgspec.Struct, frozen=True):
    """A turn that a search found.

    Attributes:
        position: The index of the turn in the transcript, from 0.
        role: ``"user"`` or ``"agent"``.
        excerpt: A part of the message, with ``MARK`` before and after each word that was searched for.
    """

    position: int
    role: str | None
    excerpt: str


MARK = "\x02", "\x03"


class Item(msgspec.Struct, frozen=True):
    """A conversation in the list.

    The attributes are columns of the archive's table ``conversations``; `has_recording` says whether the archive has
    its recording, and `hits` are the first turns that a search found.
    """

    conversation_id: str
    start_time_unix_secs: int | None
    agent_id: str | None
    agent_name: str | None
    status: str | None
    call_successful: str | None
    call_summary_title: str | None
    call_duration_secs: int | None
    message_count: int | None
    main_language: str | None
    rating: float | None
    has_recording: bool
    hits: tuple[Hit, ...] = ()

    @property
    def place(self) -> Position:
        """Its place in the list."""
        return Position(self.start_time_unix_secs, self.conversation_id)


class ListPage(msgspec.Struct, frozen=True):
    """A page of the list.

    Attributes:
        items: Its conversations, newest first.
        newer: Where the page with newer conversations begins; None if there is none.
        older: Where the page with older conversations begins; None if there is none.
        is_complete: Whether the page is full or the list has ended; otherwise the time was up.
    """

    items: list[Item]
    newer: Position | None
    older: Position | None
    is_complete: bool


class _Found(NamedTuple):
    ids: list[str]
    next: Position | None
    is_complete: bool


def list_conversations(
    connection: sqlite3.Connection, filters: Filters, position: Position | None = None, *, newer: bool = False
) -> ListPage:
    """Return the page of the list after a position.

    Args:
        connection: The connection to the archive.
        filters: The conversations to list.
        position: The place to begin at; None for the beginning of the list.
        newer: Whether to go from the position to newer conversations.

    Raises:
        InvalidArgumentError: The text to search for contains no word.
    """
    deadline = time.monotonic() + BUDGET_SECS
    expression = parse_query(filters.q) if filters.q else ""
    found = _find(connection, filters, expression, position, newer=newer, deadline=deadline)
    items = _read_items(connection, found.ids)
    if expression:
        items = [msgspec.structs.replace(item, hits=_read_hits(connection, expression, item)) for item in items]
    ahead, behind = found.next, position
    if newer:
        items.reverse()
    if items and position is not None:
        behind = items[-1].place if newer else items[0].place
    newer_place, older_place = (ahead, behind) if newer else (behind, ahead)
    return ListPage(items, newer_place, older_place, found.is_complete)


def _find(  # noqa: PLR0913 - the parts of one query
    connection: sqlite3.Connection,
    filters: Filters,
    expression: str,
    position: Position | None,
    *,
    newer: bool,
    deadline: float,
) -> _Found:
    ids: list[str] = []
    last: Position | None = None
    for rows_read, (conversation_id, start, is_match) in enumerate(
        _walk(connection, filters, expression, position, newer=newer), 1
    ):
        if is_match and len(ids) == PAGE_SIZE:
            return _Found(ids, last, is_complete=True)
        if is_match:
            ids.append(conversation_id)
        if is_match or rows_read % 32 == 0:
            last = Position(start, conversation_id)
            if time.monotonic() > deadline:
                return _Found(ids, last, is_complete=False)
    return _Found(ids, None, is_complete=True)


def _walk(
    connection: sqlite3.Connection, filters: Filters, expression: str, position: Position | None, *, newer: bool
) -> Iterator[tuple[str, int | None, int]]:
    """Yield the id and start of conversations from a position, and whether they match all filters."""
    source, match = Condition("conversations", []), build_match(filters)
    for condition, value, candidates in (
        (_HAS_HIT, expression, _find_hit_ids),
        (_HAS_TOOL_CALL, filters.tool, _find_caller_ids),
    ):
        if not value:
            continue
        ids = candidates(connection, value) if not source.parameters else None
        if ids is None:
            match = match.and_(condition, value)
        else:
            source = Condition(
                "json_each(?) AS candidates CROSS JOIN conversations ON conversation_id = candidates.value",
                [msgspec.json.encode(ids).decode()],
            )
    within = build_range(filters)
    dated_only = filters.first_day is not None or filters.last_day is not None
    order, compare = ("ASC", ">") if newer else ("DESC", "<")
    for part in _split(position, compare, newer=newer, dated_only=dated_only):
        where = within.and_(part.sql, *part.parameters)
        with closing(
            connection.execute(
                f"SELECT conversation_id, start_time_unix_secs, ({match.sql}) FROM {source.sql} WHERE {where.sql}"  # noqa: S608
                f" ORDER BY start_time_unix_secs {order}, conversation_id {order}",
                [*match.parameters, *source.parameters, *where.parameters],
            )
        ) as rows:
            yield from rows


def _split(position: Position | None, compare: str, *, newer: bool, dated_only: bool) -> Iterator[Condition]:
    """Yield the parts of the list from a position on: with a start, and without one."""
    dated, undated = Condition("start_time_unix_secs IS NOT NULL", []), Condition("start_time_unix_secs IS NULL", [])
    in_undated = position is not None and position.start is None
    if position is not None and in_undated:
        undated = undated.and_(f"conversation_id {compare} ?", position.conversation_id)
    elif position is not None:
        dated = dated.and_(
            f"(start_time_unix_secs, conversation_id) {compare} (?, ?)", position.start, position.conversation_id
        )
    parts = [dated, undated]
    if newer:
        parts = [undated, dated] if in_undated else [dated]
    elif in_undated:
        parts = [undated]
    return (part for part in parts if part is not undated or not dated_only)


def _find_hit_ids(connection: sqlite3.Connection, expression: str) -> list[str] | None:
    """Return the conversations with a turn that matches, or None if there are too many such turns."""
    hits = [
        row
        for (row,) in connection.execute(
            "SELECT rowid FROM turns_search WHERE turns_search MATCH ? LIMIT ?", (expression, MOST_CANDIDATES + 1)
        )
    ]
    if len(hits) > MOST_CANDIDATES:
        return None
    rows = connection.execute(
        "SELECT DISTINCT conversation_id FROM json_each(?) CROSS JOIN turns ON turn_id = value",
        (msgspec.json.encode(hits).decode(),),
    )
    return [conversation_id for (conversation_id,) in rows]


def _find_caller_ids(connection: sqlite3.Connection, tool_name: str) -> list[str] | None:
    """Return the conversations that called a tool, or None if there are too many calls."""
    rows = connection.execute(
        "SELECT conversation_id FROM tool_calls WHERE tool_name = ? LIMIT ?", (tool_name, MOST_CANDIDATES + 1)
    ).fetchall()
    return None if len(rows) > MOST_CANDIDATES else list({conversation_id for (conversation_id,) in rows})


def _read_items(connection: sqlite3.Connection, ids: list[str]) -> list[Item]:
    columns = ", ".join(Item.__struct_fields__[:-2])
    by_id = {}
    for row in connection.execute(
        f"SELECT {columns}, audio.path IS NOT NULL FROM json_each(?) CROSS JOIN conversations"  # noqa: S608
        " ON conversation_id = value LEFT JOIN audio USING (conversation_id)",
        (msgspec.json.encode(ids).decode(),),
    ):
        by_id[row[0]] = msgspec.convert(dict(zip(Item.__struct_fields__, row, strict=False)), Item, strict=False)
    return [by_id[each] for each in ids]


def _read_hits(connection: sqlite3.Connection, expression: str, item: Item) -> tuple[Hit, ...]:
    rows = connection.execute(
        "SELECT position, role, snippet(turns_search, 0, ?, ?, '…', 24)"  # noqa: S608
        " FROM conversations CROSS JOIN turns_search CROSS JOIN turns ON turn_id = turns_search.rowid"
        f" WHERE turns_search MATCH ? AND turns_search.rowid {_THEIR_TURNS}"
        " AND turns.conversation_id = conversations.conversation_id AND conversations.conversation_id = ?"
        " ORDER BY turns_search.rowid LIMIT ?",
        (*MARK, expression, item.conversation_id, _HITS_SHOWN),
    )
    return tuple(msgspec.convert(dict(zip(Hit.__struct_fields__, row, strict=True)), Hit) for row in rows)
