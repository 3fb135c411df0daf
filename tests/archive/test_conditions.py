"""The conditions agent, since and until select the same conversations everywhere."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest
from archives import SQLITE_ONLY

from convai_async.archive import Archive, Window
from convai_async.archive._lookups import Scope
from convai_async.archive._records import decode_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["archive_fixtures"]

NOW = int(time.time())
STARTS = {
    "oldest": 0,
    "old": NOW - 5_000,
    "new": NOW - 1_000,
    "without": None,
    "before 1970": -5,
    "in milliseconds": NOW * 1_000,
}
NOT_CREDIBLE = {"without", "before 1970", "in milliseconds"}


@pytest.fixture
def writer(path: Path | str) -> Iterator[ArchiveWriter]:
    with ArchiveWriter(path, "sandbox:1") as opened:
        for conversation_id, start in STARTS.items():
            document = {
                "conversation_id": conversation_id,
                "agent_id": "agent_1",
                "has_audio": True,
                "metadata": {"start_time_unix_secs": start},
                "transcript": [{"role": "user", "message": "refund"}],
            }
            summary = ConversationSummary(conversation_id=conversation_id)
            opened.store([decode_update(summary, msgspec.json.encode(document))])
        yield opened


@pytest.mark.parametrize(
    ("since", "until", "credible"),
    [
        (None, None, {"oldest", "old", "new"}),
        (1, None, {"old", "new"}),
        (0, NOW, {"oldest", "old", "new"}),
        (NOW - 1_000, None, {"new"}),
        (NOW - 999, None, set()),
        (None, NOW - 1_000, {"oldest", "old"}),
        (NOW - 5_000, NOW - 1_000, {"old"}),
        (0, 0, set()),
    ],
    ids=["everything", "from-1", "until-now", "from-new", "from-after-new", "until-new", "old-until-new", "empty"],
)
def test_conversation_without_credible_start_is_in_every_range(
    writer: ArchiveWriter, path: Path | str, since: int | None, until: int | None, credible: set[str]
) -> None:
    expected = credible | NOT_CREDIBLE
    with Archive.open(path) as archive:
        assert {each.conversation_id for each in archive.conversations(since=since, until=until)} == expected
        assert {each.conversation_id for each in archive.records(since=since, until=until)} == expected
        assert {row["conversation_id"] for row in archive.rows("turns", since=since, until=until)} == expected
        assert {hit.conversation_id for hit in archive.search("refund", since=since, until=until)} == expected
        assert archive.count_hits("refund", since=since, until=until) == len(expected)
    scope = Scope(Window(since or 0, until))
    assert set(writer.find_missing_audio(scope, ask_again_since=0)) == expected


def test_bounds_with_a_fraction_of_a_second_are_exact(writer: ArchiveWriter, path: Path | str) -> None:
    after_new = datetime.fromtimestamp(NOW - 1_000 + 0.5, UTC)
    with Archive.open(path) as archive:
        assert "new" not in {each.conversation_id for each in archive.conversations(since=after_new)}
        assert "new" in {each.conversation_id for each in archive.conversations(until=after_new)}


def test_agent_is_a_condition_also_for_conversations_without_credible_start(
    writer: ArchiveWriter, path: Path | str
) -> None:
    with Archive.open(path) as archive:
        assert list(archive.conversations(agent_id="agent_2", since=1)) == []
        assert list(archive.conversations(agent_id="")) == []
        assert len(list(archive.conversations(agent_id="agent_1", since=NOW))) == len(NOT_CREDIBLE)
    assert writer.find_missing_audio(Scope(Window(1, None), "agent_2"), ask_again_since=0) == []


@SQLITE_ONLY
def test_bounds_use_the_index_of_starts(writer: ArchiveWriter) -> None:
    condition, parameters = Scope(Window(NOW - 1_000, NOW)).to_condition(NOW)
    plan = writer._connection.execute(
        f"EXPLAIN QUERY PLAN SELECT raw FROM conversations WHERE {condition}", parameters
    ).fetchall()
    assert not any("SCAN" in detail for *_, detail in plan)
