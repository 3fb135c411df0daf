"""Read a page of the list.

Every page takes about the same short time in an archive of any size: a page starts where the previous one ended, and
ends when it is full or `BUDGET_SECS` have passed. Then the next page continues there.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, closing
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from convai_async.browse._filters import Condition, Filters, build_match, build_range
from convai_async.browse._search import MAX_CANDIDATES, Hit, TurnSearch, build_choice, to_json
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from convai_async.archive import ArchiveReader
    from convai_async.archive._connection import Connection

PAGE_SIZE = 50
BUDGET_SECS = 0.04

_BATCH_SIZE = 20
_POSITION = re.compile(r"(?P<start>-?\d{1,18}|):(?P<conversation_id>[^\0]*)", re.ASCII)

_HAS_TOOL_CALL = """(SELECT 1 FROM tool_calls
WHERE tool_calls.conversation_id = conversations.conversation_id AND tool_name = ? LIMIT 1) = 1"""


class Position(msgspec.Struct, frozen=True):
    """The position of a conversation in the list: by start and id, newest first, those without a start last.

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
    hits: list[Hit] = []

    @property
    def list_position(self) -> Position:
        """Its position in the list."""
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


_Row: TypeAlias = "tuple[str, int | None, int]"


class _Found(NamedTuple):
    hits: dict[Position, list[Hit]]
    next: Position | None
    is_complete: bool


def list_conversations(
    reader: ArchiveReader, filters: Filters, position: Position | None = None, *, newer: bool = False
) -> ListPage:
    """Return the page of the list after a position.

    Args:
        reader: Reads the archive, in a transaction.
        filters: The conversations to list.
        position: The position to begin at; None for the beginning of the list.
        newer: Whether to go from the position to newer conversations.

    Raises:
        InvalidArgumentError: The text to search for contains no word.
    """
    deadline = time.monotonic() + BUDGET_SECS
    with ExitStack() as stack:
        search = stack.enter_context(closing(TurnSearch(reader, filters.q))) if filters.q else None
        rows = stack.enter_context(closing(_walk(reader.connection, filters, search, position, newer=newer)))
        found = _find(rows, search, deadline)
    items = _read_items(reader.connection, found.hits)
    ahead, behind = found.next, position
    if newer:
        items.reverse()
    if items and position is not None:
        behind = items[-1].list_position if newer else items[0].list_position
    newer_position, older_position = (ahead, behind) if newer else (behind, ahead)
    return ListPage(items, newer_position, older_position, found.is_complete)


def _find(rows: Iterator[_Row], search: TurnSearch | None, deadline: float) -> _Found:
    found: dict[Position, list[Hit]] = {}
    while True:
        matching, last = _read_batch(rows, deadline)
        if last is None:
            return _Found(found, None, is_complete=True)
        hits = None if search is None else search.find_hits([each.conversation_id for each in matching])
        for each in matching:
            if hits is None or each.conversation_id in hits:
                found[each] = [] if hits is None else hits[each.conversation_id]
        if len(found) > PAGE_SIZE:
            shown = dict(islice(found.items(), PAGE_SIZE))
            return _Found(shown, list(shown)[-1], is_complete=True)
        if time.monotonic() > deadline:
            return _Found(found, last, is_complete=False)


def _read_batch(rows: Iterator[_Row], deadline: float) -> tuple[list[Position], Position | None]:
    """Return the next positions that match the filters, and the last one that was read; None at the end of the list."""
    matching: list[Position] = []
    last = None
    for number, (conversation_id, start, is_match) in enumerate(rows, 1):
        last = Position(start, conversation_id)
        if is_match:
            matching.append(last)
        if len(matching) == _BATCH_SIZE or (number % _BATCH_SIZE == 0 and time.monotonic() > deadline):
            break
    return matching, last


def _walk(
    connection: Connection,
    filters: Filters,
    search: TurnSearch | None,
    position: Position | None,
    *,
    newer: bool,
) -> Generator[_Row, None, None]:
    """Yield the id and start of conversations from a position, and whether the filters match, except for the text."""
    match, within = build_match(filters), build_range(filters)
    if filters.tool:
        match = match.and_(_HAS_TOOL_CALL, filters.tool)
    source = Condition("conversations", [])
    candidates = _find_candidates(connection, filters, search)
    if candidates is not None:
        source = Condition("json_each(?) AS candidates CROSS JOIN conversations", [to_json(candidates)])
        within = within.and_("conversation_id = candidates.value")
    order, nulls = ("ASC", "FIRST") if newer else ("DESC", "LAST")
    for part in _split(position, newer=newer):
        where = within.and_(part.sql, *part.parameters)
        yield from connection.iterate(
            f"SELECT conversation_id, start_time_unix_secs, ({match.sql}) FROM {source.sql} WHERE {where.sql}"  # noqa: S608
            f" ORDER BY start_time_unix_secs {order} NULLS {nulls}, conversation_id {order}",
            [*match.parameters, *source.parameters, *where.parameters],
        )


def _find_candidates(connection: Connection, filters: Filters, search: TurnSearch | None) -> list[str] | None:
    """Return the conversations that can match, if an index finds few enough of them."""
    candidates = None if search is None else search.find_candidates()
    for is_chosen, query, parameters in (
        (bool(filters.tool), "SELECT conversation_id FROM tool_calls WHERE tool_name = ?", [filters.tool]),
        (filters.has == "recording", "SELECT conversation_id FROM audio", []),
    ):
        if is_chosen and candidates is None:
            rows = connection.execute(f"{query} LIMIT ?", [*parameters, MAX_CANDIDATES + 1]).fetchall()
            candidates = None if len(rows) > MAX_CANDIDATES else list({each for (each,) in rows})
    return candidates


def _split(position: Position | None, *, newer: bool) -> list[Condition]:
    """Return the parts of the list from a position on: the conversations with a start, and those without."""
    dated, undated = Condition("start_time_unix_secs IS NOT NULL", []), Condition("start_time_unix_secs IS NULL", [])
    if position is None:
        return [undated, dated] if newer else [dated, undated]
    compare = ">" if newer else "<"
    if position.start is None:
        undated = undated.and_(f"conversation_id {compare} ?", position.conversation_id)
        return [undated, dated] if newer else [undated]
    dated = dated.and_(
        f"(start_time_unix_secs, conversation_id) {compare} (?, ?)", position.start, position.conversation_id
    )
    return [dated] if newer else [dated, undated]


def _read_items(connection: Connection, hits: dict[Position, list[Hit]]) -> list[Item]:
    names = Item.__struct_fields__
    columns = ", ".join(names[: names.index("has_recording")])
    ids = [place.conversation_id for place in hits]
    rows = connection.execute(
        f"SELECT {columns}, audio.path IS NOT NULL FROM conversations LEFT JOIN audio USING (conversation_id)"  # noqa: S608
        f" WHERE {build_choice(ids)}",
        ids,
    )
    by_id = {row[0]: row for row in rows}
    return [
        msgspec.convert(dict(zip(names, (*by_id[each], found), strict=True)), Item, strict=False)
        for each, found in zip(ids, hits.values(), strict=True)
    ]
