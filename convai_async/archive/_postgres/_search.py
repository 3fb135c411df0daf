"""Full-text search in PostgreSQL, with the words of SQLite's tokenizer ``unicode61``.

The database's own parser reads addresses, numbers and hyphenated words in its own way, and what a letter is depends on
its locale. So a message is reduced to words of letters and digits first. Each word begins with a hash of the workspace:
the words of one workspace are together in the index, and those of others are not read.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from convai_async.archive._conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from convai_async.archive._search_terms import Term

INDEX = "turns_by_words"
"""The name of the index; without it, search reads all messages of a workspace."""

_MOST_CHARS = 50_000
"""The length of a message up to which its words are found: those of a longer one might be too many for a row."""

_DIACRITICS = "".join(chr(0x300 + bit) for bit in range(50) if (0x08029FDF | 0x000361F8 << 32) >> bit & 1)
"""The combining marks that ``unicode61`` removes; it takes others for the end of a word."""

_LAST_ASSIGNED = 0x323AF
_PRIVATE = "\U000f0000-\U0010fffd"  # also letters for `unicode61`

_FUNCTIONS = r"""
CREATE FUNCTION convai.split_words(message text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    message := left(message, {most_chars});
    IF octet_length(message) > length(message) THEN
        message := normalize(regexp_replace(message COLLATE "C", '[{diacritics}]', '', 'g'), NFD);
        message := normalize(regexp_replace(message COLLATE "C", '([A-Za-z])[{diacritics}]+', '\1', 'g'), NFC);
        IF message COLLATE "C" ~ '[{capitals}]' THEN
            message := translate(message, '{upper}', '{lower}');
        END IF;
        message := regexp_replace(message COLLATE "C", '[^A-Za-z0-9{letters}]+', ' ', 'g');
    ELSE
        message := regexp_replace(message COLLATE "C", '[^A-Za-z0-9]+', ' ', 'g');
    END IF;
    RETURN btrim(lower(message COLLATE "C"));
END $$;
COMMENT ON FUNCTION convai.split_words IS 'The words of a message in lower case, without accents, separated by spaces.';
CREATE FUNCTION convai.mark_words(workspace text, message text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    mark text := 'x' || left(md5(workspace), 8);
    words text := convai.split_words(message);
BEGIN
    RETURN CASE WHEN words = '' THEN '' ELSE mark || replace(words, ' ', ' ' || mark) END;
END $$;
CREATE FUNCTION convai.index_words(workspace text, message text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
BEGIN
    RETURN to_tsvector('pg_catalog.simple', convai.mark_words(workspace, message));
END $$;
COMMENT ON FUNCTION convai.index_words IS 'The words of a message for the index turns_by_words.';
CREATE FUNCTION convai.match_words(workspace text, phrase text, is_prefix boolean) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    query tsquery := phraseto_tsquery('pg_catalog.simple', convai.mark_words(workspace, phrase));
BEGIN
    RETURN CASE WHEN is_prefix AND numnode(query) > 0 THEN (query::text || ':*')::tsquery ELSE query END;
END $$;
COMMENT ON FUNCTION convai.match_words IS 'The search for a phrase in the index turns_by_words.';
"""


def build_condition(terms: Sequence[Term], *, any_order: bool = False) -> Condition:
    """Return the condition for the turns whose messages have all terms.

    Args:
        terms: The terms.
        any_order: Whether the words of a phrase can be in any order: then the index suffices, and no message is read.
    """
    query = "convai.match_words(current_setting('convai.workspace'), ?, ?)"
    if any_order:
        query = f"CAST(regexp_replace(CAST({query} AS text), '<[-0-9]+>', '&', 'g') AS tsquery)"
    match = f"convai.index_words(turns.workspace, turns.message) @@ {query}"
    return Condition(" AND ".join([match] * len(terms)), [value for term in terms for value in term])


@cache
def build_search() -> str:
    """Return the SQL that creates the functions and the index."""
    letters = [code for code in range(0x80, _LAST_ASSIGNED + 1) if _is_letter(chr(code))]
    folded = {code: lower for code in letters if ord(lower := _fold(chr(code))) != code}
    functions = _FUNCTIONS
    for name, text in {
        "most_chars": str(_MOST_CHARS),
        "diacritics": _DIACRITICS,
        "capitals": _join_ranges(folded),
        "upper": "".join(map(chr, folded)),
        "lower": "".join(folded.values()),
        "letters": _join_ranges(letters) + _PRIVATE,
    }.items():
        functions = functions.replace(f"{{{name}}}", text)
    return f"{functions}CREATE INDEX {INDEX} ON convai.turns USING gin (convai.index_words(workspace, message));"


def _is_letter(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LN" or category == "Co"


def _fold(char: str) -> str:
    """Return a letter in lower case, by simple case folding."""
    return next((text for text in (char.casefold(), char.lower()) if len(text) == 1), char)


def _join_ranges(codes: Iterable[int]) -> str:
    """Return the inside of a bracket expression."""
    return "".join(chr(first) if first == last else f"{chr(first)}-{chr(last)}" for first, last in _find_ranges(codes))


def _find_ranges(codes: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = -2
    for code in codes:
        if code != last + 1:
            if first >= 0:
                yield first, last
            first = code
        last = code
    yield first, last
