"""Search in PostgreSQL finds the turns that search in SQLite finds."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import build_update
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convai_async.archive import Archive
from convai_async.archive._location import PostgresUrl
from convai_async.archive._postgres._connection import PostgresConnection
from convai_async.archive._postgres._search import build_condition
from convai_async.archive._search_terms import parse_terms, to_fts_query
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["postgres_fixtures"]

SOURCE = "https://api.elevenlabs.io"
DIFFERENT = "\u01e0\u01e1\u0374\u1885\u1886\u1e9b"
"""Characters that newer versions of Unicode, or SQLite, treat in another way."""


def is_stable(char: str) -> bool:
    """Return whether a character was the same in the Unicode of SQLite's tokenizer, and is its own normal form."""
    is_old = unicodedata.ucd_3_2_0.category(char) == unicodedata.category(char) != "Cn"
    return is_old and unicodedata.normalize("NFC", char) == char and char not in DIFFERENT


PIECES = st.one_of(
    st.sampled_from("aAxáÁñßẞİıйЙиςΣσøØÆếǆǄ日本ｆ٣\u0301"),  # noqa: RUF001
    st.sampled_from("-'’.,_@/… \n\u0332\u200b\ufe0f😀½²Ⅷ12"),  # noqa: RUF001
    st.sampled_from(["1e5", "0x1f", "5e", "-3", "&amp;", "<b>", "http://a.b/c?d=e", "a@b.de"]),
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0").filter(is_stable),
)
MESSAGES = st.lists(PIECES, min_size=1, max_size=8).map("".join)


@pytest.fixture
def connection(postgres_url: str) -> Iterator[PostgresConnection]:
    ArchiveWriter(postgres_url, SOURCE).close()
    with closing(PostgresConnection(PostgresUrl.parse(postgres_url), read_only=True)) as opened:
        yield opened


def matches_in_postgres(connection: PostgresConnection, message: str, query: str) -> bool:
    condition = build_condition(parse_terms(query))
    turns = "WITH turns (workspace, message) AS (VALUES (current_setting('convai.workspace'), CAST(? AS text)))"
    [(found,)] = connection.execute(f"{turns} SELECT {condition.sql} FROM turns", [message, *condition.parameters])
    return bool(found)


def matches_in_sqlite(message: str, query: str) -> bool:
    with closing(sqlite3.connect(":memory:")) as sqlite:
        sqlite.execute("CREATE VIRTUAL TABLE t USING fts5 (message, tokenize='unicode61 remove_diacritics 2')")
        sqlite.execute("INSERT INTO t VALUES (?)", (message,))
        return bool(sqlite.execute("SELECT 1 FROM t WHERE t MATCH ?", (to_fts_query(parse_terms(query)),)).fetchall())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(message=MESSAGES, other=MESSAGES, cut=st.integers(0, 5), is_phrase=st.booleans(), end=st.sampled_from(["", "*"]))
def test_both_databases_find_the_same_messages(
    connection: PostgresConnection, message: str, other: str, cut: int, is_phrase: bool, end: str
) -> None:
    for words in (message[cut:], message[: len(message) - cut].swapcase(), other):
        query = f'"{words}"' if is_phrase else f"{words}{end}"
        try:
            parse_terms(query)
        except InvalidArgumentError:
            continue
        assert matches_in_postgres(connection, message, query) == matches_in_sqlite(message, query), (message, query)


@pytest.fixture
def filled(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Archive, Archive]]:
    """The same conversations in both databases, and a workspace with others."""
    updates = [
        build_update("conv_1", "Where is my refund?", "It is late", start=1000),
        build_update("conv_2", "REFUND please", "no", start=2000, agent_id="agent_2"),
        build_update("conv_3", "a refund of the café", start=3000),
        build_update("conv_4", "refunds"),
    ]
    file, url = tmp_path / "calls.db", f"{postgres_url}?workspace=acme"
    for place in (file, url):
        with ArchiveWriter(place, SOURCE) as writer:
            writer.store(updates)
    with ArchiveWriter(f"{postgres_url}?workspace=other", SOURCE) as writer:
        writer.store([build_update("conv_5", "refund of another")])
    with Archive.open(file) as sqlite, Archive.open(url) as postgres:
        yield sqlite, postgres


@pytest.mark.parametrize("text", ["refund", "refund*", '"my refund"', "REFUND cafe", "refund -", "xylophone", "is*"])
def test_hits_have_the_same_order_and_number(filled: tuple[Archive, Archive], text: str) -> None:
    sqlite, postgres = filled
    for filters in ({}, {"agent_id": "agent_1"}, {"since": 1500}):
        expected = list(sqlite.search(text, **filters))
        assert list(postgres.search(text, **filters)) == expected
        assert list(postgres.search(text, limit=2, **filters)) == expected[:2]
        assert postgres.count_hits(text, **filters) == len(expected)


def test_search_works_without_its_index(filled: tuple[Archive, Archive], postgres_url: str) -> None:
    sqlite, postgres = filled
    with closing(PostgresConnection(PostgresUrl.parse(postgres_url), read_only=False)) as connection:
        connection.execute("DROP INDEX convai.turns_by_words")
    assert list(postgres.search("refund")) == list(sqlite.search("refund"))


def test_documented_statements_search_and_make_the_index_again(
    filled: tuple[Archive, Archive], postgres_url: str
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "postgres.md").read_text(encoding="utf-8")
    statements = dict(re.findall(r"<!-- sql: (search.*?) -->\n```sql\n(.*?)```", page, re.DOTALL))
    with closing(PostgresConnection(PostgresUrl.parse(postgres_url), read_only=False)) as connection:
        connection.run_script(statements["search index"])
        query = statements["search"].replace("your order", "refund")
        rows = connection.execute(query.rstrip().rstrip(";")).fetchall()
    assert sorted(rows) == sorted(
        (hit.conversation_id, hit.position, hit.message) for hit in filled[1].search("refund")
    )


def test_search_uses_its_index(connection: PostgresConnection, postgres_url: str) -> None:
    condition = build_condition(parse_terms('"my refund" cafe*'))
    with closing(PostgresConnection(PostgresUrl.parse(postgres_url), read_only=False)) as writing:
        writing.execute(
            "INSERT INTO convai.turns (workspace, conversation_id, position, message, interrupted)"
            " SELECT 'default', 'conv', number, number, false FROM generate_series(1, 2000) AS number"
        )
        writing.execute("ANALYZE convai.turns")
    rows = connection.execute(f"EXPLAIN SELECT 1 FROM turns WHERE {condition.sql}", condition.parameters).fetchall()
    assert any("Bitmap Index Scan on turns_by_words" in row for (row,) in rows)


def test_messages_with_more_words_than_an_index_holds_are_stored(postgres_url: str) -> None:
    letters = [chr(code) for code in range(0x10280, 0x102D0)]
    words = " ".join(a + b + c for a in letters for b in letters for c in letters[:30])
    with ArchiveWriter(postgres_url, SOURCE) as writer:
        writer.store([build_update("conv_1", words, f"first {'x' * 5000} last")])
    with Archive.open(postgres_url) as archive:
        assert [hit.position for hit in archive.search(words[:3])] == [0]
        assert [hit.position for hit in archive.search("first last")] == [1]
        assert list(archive.search(f"first {'y' * 5000}*")) == []
