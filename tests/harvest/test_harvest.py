"""A harvest stores every conversation once, as the service sent it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from archive_file import ids_in, query

from convai_async import ConvAIClient
from convai_async.archive import ArchiveError
from convai_async.errors import InvalidArgumentError
from convai_async.harvest import HarvestReport, harvest
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from pathlib import Path


async def test_every_conversation_is_stored_once_byte_for_byte(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    report = await harvest(client, archive)
    assert (report.found, report.fetched, report.failed, report.unchanged) == (250, 250, 0, 0)
    assert report.complete
    rows = query(archive, "SELECT conversation_id, raw FROM conversations")
    assert sorted(conversation_id for conversation_id, _ in rows) == sorted(fake.conversations)
    assert all(raw == fake.conversations.document(conversation_id) for conversation_id, raw in rows)
    assert len(fake.requests("get_conversation")) == 250


async def test_columns_have_the_values_of_the_documents(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    await harvest(client, archive)
    for row in query(
        archive,
        "SELECT conversation_id, agent_id, start_time_unix_secs, call_duration_secs, message_count, status,"
        " call_successful, transcript_summary, has_audio, cost FROM conversations",
    ):
        details = fake.conversations.details(row[0])
        analysis = details["analysis"] or {}
        metadata = details["metadata"]
        assert row[1] == details["agent_id"]
        assert row[2] == fake.conversations[row[0]].start
        assert row[3] == metadata["call_duration_secs"]
        assert row[5] == details["status"]
        assert row[6] == analysis.get("call_successful", "unknown")
        assert row[7] == analysis.get("transcript_summary")
        assert bool(row[8]) is details["has_audio"]
        assert row[9] == metadata["cost"]


async def test_turns_are_stored_in_order_and_tool_calls_with_their_results(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive, limit=60)
    calls_with_result = 0
    for conversation_id in ids_in(archive):
        transcript = fake.conversations.details(conversation_id)["transcript"]
        turns = query(
            archive,
            "SELECT position, role, message FROM turns WHERE conversation_id = ? ORDER BY position",
            conversation_id,
        )
        assert [row[0] for row in turns] == list(range(len(transcript)))
        assert [row[1:] for row in turns] == [(turn["role"], turn["message"]) for turn in transcript]
        calls = [call for turn in transcript for call in turn["tool_calls"] or ()]
        rows = query(
            archive,
            "SELECT tool_name, params_as_json, result_value FROM tool_calls WHERE conversation_id = ?"
            " ORDER BY position",
            conversation_id,
        )
        assert [(row[0], row[1]) for row in rows] == [(call["tool_name"], call["params_as_json"]) for call in calls]
        calls_with_result += sum(row[2] is not None for row in rows)
    assert calls_with_result > 0


async def test_unfinished_conversation_is_fetched_again_until_it_is_final(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=20, unfinished=3) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        unfinished = list(fake.conversations)[:3]
        assert query(archive, "SELECT count(*) FROM conversations WHERE status IN ('done', 'failed')") == [(17,)]
        for conversation_id in unfinished:
            fake.finish(conversation_id)
        new = fake.add()
        fake.requests.clear()
        report = await harvest(client, archive)
        fetched = {request.path.rsplit("/", 1)[1] for request in fake.requests("get_conversation")}
        assert fetched == {*unfinished, new}
        assert report.fetched == 4
        assert sorted(ids_in(archive)) == sorted(fake.conversations)
        raw = dict(query(archive, "SELECT conversation_id, raw FROM conversations"))
        assert all(raw[conversation_id] == fake.conversations.document(conversation_id) for conversation_id in raw)


async def test_unfinished_conversation_is_fetched_once_in_a_run(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=20, unfinished=3) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        assert len(fake.requests("list_conversations")) > 1, "the newest conversation is listed again"
        assert len(fake.requests("get_conversation")) == 20


async def test_document_that_does_not_fit_the_model_is_stored_as_raw_json(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    changed = next(iter(fake.conversations))
    fake.faults.add(faults.change(lambda document: document.update(transcript="all lost")), path=changed)
    report = await harvest(client, archive, limit=3)
    assert (report.fetched, report.undecodable, report.failed) == (3, 1, 0)
    ((problem, raw),) = query(archive, "SELECT decode_error, raw FROM conversations WHERE decode_error IS NOT NULL")
    assert "$.transcript" in problem
    assert msgspec.json.decode(raw)["transcript"] == "all lost"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"metadata":{', b'"metadata":{"score":NaN,'),
        (b'"metadata":{', b'"metadata":{"title":"\\ud83d",'),
        (b'"metadata":{', b'"metadata":{"title":"\xff",'),
        (b'{"agent_id"', b'\xef\xbb\xbf{"agent_id"'),
    ],
)
async def test_document_that_is_not_strict_json_is_stored_byte_for_byte(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, before: bytes, after: bytes
) -> None:
    newest = next(iter(fake.conversations))
    document = fake.conversations.document(newest).replace(before, after, 1)
    assert after in document
    fake.faults.add(faults.body(document), path=newest)
    report = await harvest(client, archive, limit=1)
    assert (report.fetched, report.failed) == (1, 0)
    assert query(archive, "SELECT raw FROM conversations") == [(document,)]


@pytest.mark.parametrize("kind", [datetime, date])
async def test_since_and_until_bound_which_conversations_are_fetched(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, kind: Any
) -> None:
    since, until = date(2026, 5, 10), date(2026, 5, 20)
    bounds = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (since, until)]
    first, last = (int(bound.timestamp()) for bound in bounds)
    expected = [
        conversation_id
        for conversation_id in fake.conversations
        if first <= fake.conversations[conversation_id].start < last
    ]
    arguments = (since, until) if kind is date else bounds
    report = await harvest(client, archive, since=arguments[0], until=arguments[1])
    assert 0 < len(expected) < 250
    assert report.found == len(expected)
    assert sorted(ids_in(archive)) == sorted(expected)


async def test_since_is_inclusive_and_until_is_exclusive(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=0) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        ids = {start: fake.add(start=start) for start in (1_000, 2_000, 3_000)}
        zone = timezone(timedelta(hours=3))
        await harvest(
            client, archive, since=datetime.fromtimestamp(1_000, zone), until=datetime.fromtimestamp(3_000, zone)
        )
        assert sorted(ids_in(archive)) == sorted([ids[1_000], ids[2_000]])


async def test_agent_id_fetches_only_conversations_of_that_agent(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    agent_id = AGENTS[1][0]
    await harvest(client, archive, agent_id=agent_id)
    assert 0 < len(ids_in(archive)) < 250
    assert query(archive, "SELECT DISTINCT agent_id FROM conversations") == [(agent_id,)]


async def test_limit_fetches_the_newest_conversations(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    report = await harvest(client, archive, limit=7)
    assert report.complete
    newest = list(fake.conversations)[:7]
    assert sorted(ids_in(archive)) == sorted(newest)
    assert report.reached_unix_secs == min(fake.conversations[each].start for each in newest)


async def test_progress_is_called_with_growing_counts_and_last_with_the_report(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    seen: list[int] = []
    report = await harvest(client, archive, progress=lambda report: seen.append(report.fetched))
    assert seen == sorted(seen)
    assert seen[-1] == report.fetched == 250
    assert report.seconds > 0
    assert report.bytes == sum(
        len(fake.conversations.document(conversation_id)) for conversation_id in fake.conversations
    )


async def test_max_concurrency_bounds_requests_in_flight(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=100, latency=0.001) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive, max_concurrency=3)
        assert fake.peak_in_flight <= 3 + 3  # and as many that list


async def test_exception_in_progress_is_raised_and_leaves_no_task(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    def progress(_: HarvestReport) -> None:
        raise ZeroDivisionError

    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        await harvest(client, archive, progress=progress)
    assert {task for task in asyncio.all_tasks() - before if "convai_async/harvest" in repr(task)} == set()


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"limit": 0}, "limit"),
        ({"since": datetime(2026, 1, 1)}, "since"),  # noqa: DTZ001 - naive on purpose
        ({"until": datetime(2026, 1, 1)}, "until"),  # noqa: DTZ001 - naive on purpose
        ({"lookback": timedelta(-1)}, "lookback"),
        ({"prune_limit": -0.1}, "prune_limit"),
        ({"prune_limit": 1.1}, "prune_limit"),
        ({"prune_limit": float("nan")}, "prune_limit"),
        ({"prune_limit": True}, "prune_limit"),
        ({"prune": "delete"}, "prune"),
        ({"max_concurrency": 1.5}, "max_concurrency"),
        ({"max_concurrency": True}, "max_concurrency"),
        ({"limit": 2.5}, "limit"),
        ({"lookback": 3}, "lookback"),
        ({"limit": True}, "limit"),
        ({"agent_id": "\n"}, "agent_id"),
        ({"since": date(2026, 1, 2), "until": date(2026, 1, 1)}, "since"),
        ({"since": date(2026, 1, 1), "until": date(2026, 1, 1)}, "since"),
    ],
)
async def test_invalid_argument_is_refused_by_name_and_makes_no_file(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, arguments: Any, parameter: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}: "):
        await harvest(client, archive, **arguments)
    assert not archive.exists()
    assert fake.requests == []


async def test_archive_of_another_service_is_refused(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    await harvest(client, archive, limit=1)
    async with FakeConvAI(conversations=3) as other, ConvAIClient(other.api_key, base_url=other.url) as other_client:
        with pytest.raises(ArchiveError, match=f"contains conversations from {fake.url}"):
            await harvest(other_client, archive)
    assert len(ids_in(archive)) == 1


async def test_unfinished_conversation_that_was_deleted_is_marked_and_not_a_failure(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=5, unfinished=1) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        fake.conversations.remove(next(iter(fake.conversations)))
        report = await harvest(client, archive)
        assert (report.deleted, report.failed) == (1, 0)
        assert report.complete
        assert len(ids_in(archive)) == 5


async def test_document_that_is_not_strict_json_is_not_fetched_again(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    bom, not_a_number, surrogate, *_ = fake.conversations
    documents = {
        bom: b"\xef\xbb\xbf" + fake.conversations.document(bom),
        not_a_number: fake.conversations.document(not_a_number)[:-1] + b', "x": NaN}',
        surrogate: fake.conversations.document(surrogate)[:-1] + b', "agent_name": "\xed\xa0\xbd"}',
    }
    for each, document in documents.items():
        fake.faults.add(faults.body(document), operation="get_conversation", path=each, times=None)
    report = await harvest(client, archive)
    assert (report.complete, report.failed) == (True, 0)
    assert documents.items() <= dict(query(archive, "SELECT conversation_id, raw FROM conversations")).items()
    fake.requests.clear()
    assert (await harvest(client, archive)).complete
    assert fake.requests("get_conversation") == []


async def test_backup_restored_during_a_harvest_ends_it_and_loses_nothing(archive: Path, tmp_path: Path) -> None:
    async with (
        FakeConvAI(conversations=300) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive, limit=5)
        backup = tmp_path / "backup.db"
        copy_contents(archive, backup)

        def restore_once(report: HarvestReport) -> None:
            if backup.exists() and report.fetched >= 100:
                copy_contents(backup, archive)
                backup.unlink()

        with pytest.raises(ArchiveError, match="restoring a backup"):
            await harvest(client, archive, progress=restore_once)
        assert not backup.exists()
        assert (await harvest(client, archive)).complete
        assert sorted(ids_in(archive)) == sorted(fake.conversations)


def copy_contents(source: Path, destination: Path) -> None:
    """Do what ``sqlite3 DESTINATION '.restore SOURCE'`` does."""
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(destination)) as there:
        here.backup(there)
