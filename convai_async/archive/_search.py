"""Search the messages of an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._conditions import parse_filters, validate_sql_text
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._query import QueryError, run_query
from convai_async.archive._sql import fetch_value, to_struct
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path
    from threading import Event

    from convai_async.archive._conditions import Condition
    from convai_async.archive._reader import ArchiveReader

_JOINS = " JOIN turns ON turn_id = turns_search.rowid JOIN conversations USING (conversation_id)"

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


def search(reader: ArchiveReader, expression: str, condition: Condition, limit: int | None) -> Iterator[SearchHit]:
    """Yield the turns that match an expression of `build_fts_query`, newest conversations first."""
    with translate_content_errors(reader.path):
        for row in reader.connection.execute(
            _select_hits(condition), [expression, *condition.parameters, -1 if limit is None else limit]
        ):
            yield to_struct(SearchHit, row)


def count_hits(reader: ArchiveReader, expression: str, condition: Condition) -> int:
    """Return how many turns match an expression of `build_fts_query`."""
    query = f"SELECT count(*) {_from_hits(condition)}"
    with translate_content_errors(reader.path):
        return int(fetch_value(reader.connection, query, expression, *condition.parameters))


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
    condition = parse_filters(agent_id, since, until)
    parameters = [build_fts_query(text), *condition.parameters]
    count = f"SELECT count(*) FROM (SELECT 1 {_from_hits(condition)} LIMIT {_MAX_COUNTED + 1})"  # noqa: S608
    try:
        counted = run_query(path, count, parameters, timeout_secs=timeout_secs, stop=stop)
        found = run_query(
            path, _select_hits(condition), [*parameters, limit], timeout_secs=timeout_secs, max_rows=limit, stop=stop
        )
    except QueryError as error:
        raise QueryError(
            f"the search took more than {timeout_secs:g} s, or is too complex: search for rarer words, or for longer"
            " beginnings of words"
        ) from error
    with translate_content_errors(path):
        total = int(counted.rows[0][0])
        hits = [to_struct(SearchHit, row) for row in found.rows]
    return FoundHits(hits, min(total, _MAX_COUNTED), total > _MAX_COUNTED)


def _select_hits(condition: Condition) -> str:
    return (
        "SELECT conversation_id, agent_id, start_time_unix_secs, position, time_in_call_secs, role,"  # noqa: S608
        f" turns.message FROM turns_search{_JOINS} WHERE turns_search MATCH ? AND {condition.sql}"
        " ORDER BY start_time_unix_secs DESC, conversation_id, position LIMIT ?"
    )


def _from_hits(condition: Condition) -> str:
    return f"FROM turns_search{_JOINS if condition.parameters else ''} WHERE turns_search MATCH ? AND {condition.sql}"


def build_fts_query(text: str) -> str:
    """Return the FTS5 query for a text of words, phrases in double quotes and prefixes such as ``refund*``.

    Any text with a word is valid: other characters are not read as the syntax of FTS5.

    Raises:
        InvalidArgumentError: The text contains no word.
    """
    validate_sql_text("text", text)
    parts = text.split('"')
    if len(parts) % 2 == 0:
        parts[-2:] = [" ".join(parts[-2:])]  # a quote that is not closed
    phrases = [part.strip() for part in parts[1::2]]
    words = [word for part in parts[::2] for word in part.split()]
    terms = [f'"{phrase}"' for phrase in phrases if _has_word(phrase)]
    terms += [f'"{word.rstrip("*")}"' + ("*" if word.endswith("*") else "") for word in words if _has_word(word)]
    if not terms:
        raise InvalidArgumentError("text", "contains no word to search for")
    return " AND ".join(terms)


def _has_word(text: str) -> bool:
    # FTS5 finds nothing at all when one of several terms is only punctuation.
    return any(map(str.isalnum, text))
