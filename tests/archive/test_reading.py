"""`Archive` reads and searches."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from archives import build_update, summary

from convai_async.archive import Archive, ArchiveError
from convai_async.archive._records import (
    decode_update,
)
from convai_async.archive._search_terms import build_fts_query
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from convai_async.archive._writer import ArchiveWriter

pytest_plugins = ["archive_fixtures"]


@pytest.fixture(autouse=True)
def _conversations(writer: ArchiveWriter) -> None:
    writer.store(
        [
            build_update("conv_1", "I want a refund, please", "Sofort zurück", start=100),
            build_update("conv_2", "No refund for the teapot", start=200),
            build_update("conv_3", "refunds and refunding", start=300, agent_id="agent_2"),
            decode_update(summary("conv_4", start_time_unix_secs=400), b'{"other": 1}'),
        ]
    )


def test_conversations_are_decoded_and_sorted_oldest_first(reader: Archive) -> None:
    assert [each.conversation_id for each in reader.conversations()] == ["conv_1", "conv_2", "conv_3"]
    assert [each.conversation_id for each in reader.conversations(agent_id="agent_1", since=200)] == ["conv_2"]
    assert [each.conversation_id for each in reader.conversations(until=200)] == ["conv_1"]


def test_bounds_can_be_dates_and_datetimes(reader: Archive) -> None:
    at = datetime.fromtimestamp(200, UTC)
    assert [each.conversation_id for each in reader.conversations(since=at)] == ["conv_2", "conv_3"]
    assert [each.conversation_id for each in reader.conversations(until=at)] == ["conv_1"]
    assert list(reader.conversations(since=date(1970, 1, 2))) == []


@pytest.mark.parametrize("bound", ["2026-05-01", datetime(2026, 5, 1)])  # noqa: DTZ001
def test_bound_that_is_not_a_moment_is_refused_by_name(reader: Archive, bound: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^since: "):
        list(reader.conversations(since=bound))


def test_get_returns_a_conversation_by_its_id(reader: Archive) -> None:
    assert reader.get("conv_1").transcript[0].message == "I want a refund, please"
    assert reader.get_raw("conv_4") == b'{"other": 1}'
    with pytest.raises(ArchiveError, match="has no conversation 'conv_9'"):
        reader.get("conv_9")


def test_records_include_undecodable_conversations_and_list_entries(reader: Archive) -> None:
    records = list(reader.records())
    assert [record.conversation_id for record in records] == ["conv_1", "conv_2", "conv_3", "conv_4"]
    assert records[3].raw == b'{"other": 1}'
    assert records[0].summary_json is not None
    assert records[0].recording is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("refund", ["conv_2", "conv_1"]),
        ("REFUND", ["conv_2", "conv_1"]),
        ("refund*", ["conv_3", "conv_2", "conv_1"]),
        ("teapot refund", ["conv_2"]),
        ('"a refund"', ["conv_1"]),
        ('"refund a"', []),
        ("zuruck", ["conv_1"]),
        ("teapot OR nothing", []),
        ('"refund', ["conv_2", "conv_1"]),
        ("refund -teapot) NEAR(", []),
        ("a - refund", ["conv_1"]),
        ('refund "…" 🙂 ***', ["conv_2", "conv_1"]),
    ],
)
def test_search_finds_words_for_any_text(reader: Archive, text: str, found: list[str]) -> None:
    assert [hit.conversation_id for hit in reader.search(text)] == found


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ('a "b c" d "e f" g', '"b c" AND "e f" AND "a" AND "d" AND "g"'),
        ('a "b c', '"a" AND "b" AND "c"'),
        ('x "y z" a "b', '"y z" AND "x" AND "a" AND "b"'),
        ("MAXX*", '"MAXX"*'),
    ],
)
def test_quotes_make_phrases_unless_they_are_not_closed(text: str, expression: str) -> None:
    assert build_fts_query(text) == expression


def test_search_hit_has_role_message_and_time(reader: Archive) -> None:
    (hit,) = reader.search("teapot")
    assert (hit.role, hit.message, hit.position) == ("user", "No refund for the teapot", 0)
    assert (hit.start_time_unix_secs, hit.agent_id) == (200, "agent_1")


def test_search_is_limited_by_agent_date_and_number(reader: Archive) -> None:
    assert [hit.conversation_id for hit in reader.search("refund*", agent_id="agent_2")] == ["conv_3"]
    assert [hit.conversation_id for hit in reader.search("refund*", since=150, until=300)] == ["conv_2"]
    assert len(list(reader.search("refund*", limit=1))) == 1


@pytest.mark.parametrize("text", ["", "  ", '""', "***", "-"])
def test_search_without_a_word_is_refused(reader: Archive, text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^text: contains no word"):
        list(reader.search(text))


@pytest.mark.parametrize(
    ("parameter", "arguments"),
    [
        ("text", {"text": "a\0b"}),
        ("text", {"text": "\udcff"}),
        ("agent_id", {"text": "a", "agent_id": "\udcff"}),
        ("limit", {"text": "a", "limit": 2**63}),
        ("limit", {"text": "a", "limit": -1}),
        ("since", {"text": "a", "since": 2**63}),
        ("until", {"text": "a", "until": -(2**64)}),
    ],
)
def test_argument_that_sqlite_cannot_take_is_refused_by_name(reader: Archive, parameter: str, arguments: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}: "):
        list(reader.search(**arguments))


def test_id_that_is_not_valid_text_is_refused_by_name(reader: Archive) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^conversation_id: "):
        reader.get_raw("\udcff")


def test_replaced_message_is_not_found(writer: ArchiveWriter, reader: Archive) -> None:
    writer.store([build_update("conv_2", "A kettle", start=200)])
    assert [hit.conversation_id for hit in reader.search("teapot")] == []
    assert [hit.conversation_id for hit in reader.search("kettle")] == ["conv_2"]
