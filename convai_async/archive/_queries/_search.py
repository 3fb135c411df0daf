"""Search the messages of an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._conditions import Condition, parse_filters
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._queries._run_query import QueryError, run_query
from convai_async.archive._reader import ArchiveReader
from convai_async.archive._search_terms import parse_terms
from convai_async.archive._sql import fetch_value, to_struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path
    from threading import Event

    from convai_async.archive._search_terms import Term

_MAX_COUNTED = 1_000
"""The number of hits after which `find_hits` stops counting."""


class SearchHit(msgspec.Struct, frozen=True):
    """A turn that a search found.

    Attributes:
        conversation_id: The conversation's id.
        agent_id: The agent's id.
        start_time_unix_secs: The start of the conversation in Unix seconds, or None.
        position: The index of the turn in the transcript, from 0.
        time_in_call_secs: The seconds since the start of the conversation, or None.
        role: ``"user"`` or ``"agent"``.
        message: The message.
    """

    conversation_id: str
    agent_id: str | None
    start_time_unix_secs: int | None
    position: int
    time_in_call_secs: int | None
    role: str | None
    message: str


class FoundHits(msgspec.Struct, frozen=True):
    """The result of `find_hits`.

    Attributes:
        hits: The newest hits.
        total: The number of all hits, or 1,000 if there are more.
        has_more: Whether there are more than ``total``.
    """

    hits: list[SearchHit]
    total: int
    has_more: bool


def search(reader: ArchiveReader, terms: list[Term], condition: Condition, limit: int | None) -> Iterator[SearchHit]:
    """Yield the turns that have all terms, newest conversations first."""
    query, parameters = _select_hits(reader, terms, condition, limit)
    with translate_content_errors(reader.path):
        for row in reader.iterate(query, parameters):
            yield to_struct(SearchHit, row)


def count_hits(reader: ArchiveReader, terms: list[Term], condition: Condition) -> int:
    """Return how many turns have all terms."""
    source, parameters = _from_hits(reader, terms, condition)
    with translate_content_errors(reader.path):
        return int(fetch_value(reader.connection, f"SELECT count(*) {source}", *parameters))


def find_hits(  # noqa: PLR0913 - keyword-only
    path: Path,
    text: str,
    *,
    agent_id: str | None,
    since: date | int | None,
    until: date | int | None,
    limit: int,
    stop: Event,
    timeout_secs: float = 10.0,
) -> FoundHits:
    """Search as `Archive.search` does, but only for a limited time.

    Args:
        path: The archive.
        text: The words.
        agent_id: Only conversations with this agent.
        since: Only conversations that started at this time or later.
        until: Only conversations that started before this time.
        limit: The maximum number of hits to return. Fewer are returned if their messages are more than 1 MB.
        stop: An event that interrupts the search when it is set.
        timeout_secs: The time in seconds after which counting, and then reading, is interrupted.

    Raises:
        InvalidArgumentError: The text contains no word, or a filter is not valid.
        ArchiveError: The archive cannot be read.
        QueryError: The search took too long.
    """
    condition, terms = parse_filters(agent_id, since, until), parse_terms(text)
    source, parameters = _from_hits(ArchiveReader, terms, condition)
    count = f"SELECT count(*) FROM (SELECT 1 {source} LIMIT {_MAX_COUNTED + 1})"  # noqa: S608
    try:
        counted = run_query(path, count, parameters, timeout_secs=timeout_secs, stop=stop)
        hits = _select_hits(ArchiveReader, terms, condition, limit)
        found = run_query(path, *hits, timeout_secs=timeout_secs, max_rows=limit, stop=stop)
    except QueryError as error:
        raise QueryError(
            f"the search took more than {timeout_secs:g} s, or is too complex: search for rarer words, or for longer"
            " beginnings of words"
        ) from error
    with translate_content_errors(path):
        total = int(counted.rows[0][0])
        found_hits = [to_struct(SearchHit, row) for row in found.rows]
    return FoundHits(found_hits, min(total, _MAX_COUNTED), total > _MAX_COUNTED)


def _select_hits(
    reader: ArchiveReader | type[ArchiveReader], terms: list[Term], condition: Condition, limit: int | None
) -> Condition:
    """Return the query for hits, and its parameters."""
    source, parameters = _from_hits(reader, terms, condition, joined=True)
    query = (
        "SELECT conversation_id, agent_id, start_time_unix_secs, position, time_in_call_secs, role,"
        f" turns.message {source} ORDER BY start_time_unix_secs DESC NULLS LAST, conversation_id, position"
    )
    return Condition(query, parameters) if limit is None else Condition(f"{query} LIMIT ?", [*parameters, limit])


def _from_hits(
    reader: ArchiveReader | type[ArchiveReader], terms: list[Term], condition: Condition, *, joined: bool = False
) -> Condition:
    joins = f"{reader.join_turns} JOIN conversations USING (conversation_id)" if joined or condition.parameters else ""
    match = reader.build_match(terms)
    return Condition(
        f"FROM {reader.searched_table}{joins} WHERE {match.sql} AND {condition.sql}",
        [*match.parameters, *condition.parameters],
    )
