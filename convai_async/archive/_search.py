"""Search the messages of an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._conditions import validate_sql_text
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._sql import fetch_value, to_struct
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.archive._conditions import Condition
    from convai_async.archive._reader import ArchiveReader

_JOINS = " JOIN turns ON turn_id = turns_search.rowid JOIN conversations USING (conversation_id)"


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


def search(reader: ArchiveReader, expression: str, condition: Condition, limit: int | None) -> Iterator[SearchHit]:
    """Yield the turns that match an expression of `build_fts_query`, newest conversations first."""
    with translate_content_errors(reader.path):
        for row in reader.connection.execute(
            "SELECT conversation_id, agent_id, start_time_unix_secs, position, time_in_call_secs, role,"  # noqa: S608
            f" turns.message FROM turns_search{_JOINS} WHERE turns_search MATCH ? AND {condition.sql}"
            " ORDER BY start_time_unix_secs DESC, conversation_id, position LIMIT ?",
            [expression, *condition.parameters, -1 if limit is None else limit],
        ):
            yield to_struct(SearchHit, row)


def count_hits(reader: ArchiveReader, expression: str, condition: Condition) -> int:
    """Return how many turns match an expression of `build_fts_query`."""
    query = (
        f"SELECT count(*) FROM turns_search{_JOINS if condition.parameters else ''}"  # noqa: S608
        f" WHERE turns_search MATCH ? AND {condition.sql}"
    )
    with translate_content_errors(reader.path):
        return int(fetch_value(reader.connection, query, expression, *condition.parameters))


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
