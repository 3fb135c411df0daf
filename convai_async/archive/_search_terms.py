"""The words to search for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from convai_async.archive._conditions import validate_sql_text
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Term(NamedTuple):
    """Words that follow each other.

    Attributes:
        phrase: The words, with any other characters between them.
        is_prefix: Whether the last word can be the beginning of a longer one.
    """

    phrase: str
    is_prefix: bool


def parse_terms(text: str) -> list[Term]:
    """Return the terms of a text of words, phrases in double quotes and prefixes such as ``refund*``.

    Raises:
        InvalidArgumentError: The text contains no word.
    """
    validate_sql_text("text", text)
    parts = text.split('"')
    if len(parts) % 2 == 0:
        parts[-2:] = [" ".join(parts[-2:])]  # a quote that is not closed
    terms = [Term(part.strip(), is_prefix=False) for part in parts[1::2]]
    terms += [Term(word.rstrip("*"), word.endswith("*")) for part in parts[::2] for word in part.split()]
    terms = [term for term in terms if _has_word(term.phrase)]
    if not terms:
        raise InvalidArgumentError("text", "contains no word to search for")
    return terms


def build_fts_query(text: str) -> str:
    """Return the FTS5 query for the text of a search.

    Any text with a word is valid: other characters are not read as the syntax of FTS5.

    Raises:
        InvalidArgumentError: The text contains no word.
    """
    return to_fts_query(parse_terms(text))


def to_fts_query(terms: Sequence[Term]) -> str:
    """Return the FTS5 query for terms."""
    return " AND ".join(f'"{term.phrase}"' + "*" * term.is_prefix for term in terms)


def _has_word(text: str) -> bool:
    # FTS5 finds nothing at all when one of several terms is only punctuation.
    return any(map(str.isalnum, text))
