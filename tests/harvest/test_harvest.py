from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest
from aiohttp import web

from convai_async import ConvAIClient, RetryPolicy
from convai_async.archive import Archive, ArchiveError
from convai_async.errors import AuthenticationError, InvalidArgumentError, ServerError
from convai_async.harvest import HarvestReport, _harvester, harvest
from convai_async.harvest._outages import OutageGuard
from convai_async.testing import FakeConvAI, faults, mp3
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


def query(path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def ids_in(path: Path) -> list[str]:
    return [conversation_id for (conversation_id,) in query(path, "SELECT conversation_id FROM conversations")]


async def test_every_conversation_is_in_the_archive_once_and_byte_for_byte(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    report = await harvest(client, archive)
    assert (report.found, report.fetched, report.failed, report.unchanged) == (250, 250, 0, 0)
    assert report.complete
    rows = query(archive, "SELECT conversation_id, raw FROM conversations")
    assert sorted(conversation_id for conversation_id, _ in rows) == sorted(fake.conversations)
    assert all(raw == fake.conversations.document(conversation_id) for conversation_id, raw in rows)
    assert len(fake.requests("get_conversation")) == 250


async def test_the_columns_say_what_the_documents_say(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
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


async def test_turns_are_in_order_and_tool_calls_have_their_results(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive, limit=60)
    calls_with_result = 0
    for conversation_id in ids_in(archive):
        transcript = fake.conversations.details(conversation_id)["transcript"]
        said = query(
            archive,
            "SELECT position, role, message FROM turns WHERE conversation_id = ? ORDER BY position",
            conversation_id,
        )
        assert [row[0] for row in said] == list(range(len(transcript)))
        assert [row[1:] for row in said] == [(turn["role"], turn["message"]) for turn in transcript]
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


async def test_a_second_run_fetches_nothing_again_and_lists_only_the_lookback(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive)
    fake.requests.clear()
    report = await harvest(client, archive)
    newest = fake.conversations[next(iter(fake.conversations))].start
    recent = [each for each in fake.conversations if fake.conversations[each].start >= newest - 3 * 86_400]
    assert (report.found, report.fetched, report.unchanged) == (len(recent), 0, len(recent))
    assert 0 < len(recent) < 100
    assert report.complete
    assert len(fake.requests("list_conversations")) <= 3
    assert fake.requests("get_conversation") == []


async def test_what_is_not_final_is_fetched_again_until_it_is(archive: Path) -> None:
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


async def test_a_conversation_that_fails_is_noted_and_tried_again_by_the_next_run(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    bad = list(fake.conversations)[5]
    fake.faults.add(faults.status(500, message="disk on fire"), path=bad, times=None)
    report = await harvest(client, archive)
    assert (report.fetched, report.failed) == (249, 1)
    assert not report.complete
    with Archive.open(archive) as opened:
        (failure,) = opened.failures()
        assert failure.conversation_id == bad
        assert "disk on fire" in failure.error
        assert failure.attempts == 5
    await harvest(client, archive)
    with Archive.open(archive) as opened:
        assert [failure.attempts for failure in opened.failures()] == [10]
    fake.faults.clear()
    report = await harvest(client, archive)
    assert report.fetched == 1
    assert report.complete
    with Archive.open(archive) as opened:
        assert opened.failures() == []


async def test_a_document_that_does_not_fit_is_kept_as_it_is(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    odd = next(iter(fake.conversations))
    fake.faults.add(faults.change(lambda document: document.update(transcript="all lost")), path=odd)
    report = await harvest(client, archive, limit=3)
    assert (report.fetched, report.undecodable, report.failed) == (3, 1, 0)
    ((problem, raw),) = query(archive, "SELECT decode_error, raw FROM conversations WHERE decode_error IS NOT NULL")
    assert "$.transcript" in problem
    assert msgspec.json.decode(raw)["transcript"] == "all lost"


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b'{"a":', b'{"error": "x"}', b"[]", b'{"conversation_id": "another"}']
)
async def test_what_is_no_conversation_is_a_failure_and_fetched_again(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, body: bytes
) -> None:
    spoilt = next(iter(fake.conversations))
    fake.faults.add(faults.body(body), path=spoilt, times=None)
    report = await harvest(client, archive, limit=3)
    assert (report.fetched, report.failed, report.complete) == (2, 1, False)
    fake.faults.clear()
    report = await harvest(client, archive, limit=3)
    assert (report.fetched, report.complete) == (1, True)
    assert query(archive, "SELECT raw FROM conversations WHERE conversation_id = ?", spoilt) == [
        (fake.conversations.document(spoilt),)
    ]


@pytest.mark.parametrize(
    "body", [b'{"conversation_id": "conv', b"<html>log in</html>", b"", b"{}", b"null", b'{"detail": {"message": "x"}}']
)
async def test_garbage_in_the_place_of_a_conversation_is_retried(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, body: bytes
) -> None:
    newest = next(iter(fake.conversations))
    fake.faults.add(faults.body(body), path=newest, times=4)
    report = await harvest(client, archive, limit=3)
    assert (report.fetched, report.failed, report.undecodable) == (3, 0, 0)
    assert len([request for request in fake.requests if request.path.endswith(newest)]) == 5


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"metadata":{', b'"metadata":{"score":NaN,'),
        (b'"metadata":{', b'"metadata":{"title":"\\ud83d",'),
        (b'"metadata":{', b'"metadata":{"title":"\xff",'),
        (b'{"agent_id"', b'\xef\xbb\xbf{"agent_id"'),
    ],
)
async def test_conversation_that_is_not_quite_json_is_kept_as_it_is(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, before: bytes, after: bytes
) -> None:
    newest = next(iter(fake.conversations))
    document = fake.conversations.document(newest).replace(before, after, 1)
    assert after in document
    fake.faults.add(faults.body(document), path=newest)
    report = await harvest(client, archive, limit=1)
    assert (report.fetched, report.failed) == (1, 0)
    assert query(archive, "SELECT raw FROM conversations") == [(document,)]


async def test_passing_failures_lose_nothing(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    fake.faults.add_random(0.1)
    patient = client.with_options(retry=RetryPolicy(attempts=8, wait_initial=0, wait_max=0))
    report = await harvest(patient, archive)
    assert report.complete
    assert sorted(ids_in(archive)) == sorted(fake.conversations)


async def test_a_wrong_key_stops_at_once(fake: FakeConvAI, archive: Path) -> None:
    async with ConvAIClient("wrong", base_url=fake.url) as client:
        with pytest.raises(AuthenticationError):
            await harvest(client, archive)
    assert len(fake.requests) == 1


async def test_a_key_that_is_revoked_midway_stops_the_run_and_keeps_what_there_is(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    ids = list(fake.conversations)
    fake.faults.add(faults.status(401), path=ids[200], times=None)
    with pytest.raises(AuthenticationError):
        await harvest(client, archive, max_concurrency=2)
    kept = ids_in(archive)
    assert kept
    assert ids[200] not in kept


async def test_unreadable_list_is_recorded_and_read_again_by_the_next_run(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    fake.faults.add(faults.status(500), operation="list_conversations", times=None)
    report = await harvest(client, archive)
    assert (report.listed, report.failed, report.complete) == (False, 1, False)
    with Archive.open(archive) as opened:
        (failure,) = opened.failures()
        assert (failure.conversation_id, failure.part) == ("range:0-", "list")
        assert "answered 500" in failure.error
        assert opened.status().windows == []
    fake.faults.clear()
    report = await harvest(client, archive)
    assert (report.fetched, report.complete) == (250, True)
    with Archive.open(archive) as opened:
        assert opened.failures() == []


async def test_recordings_are_saved_beside_the_archive(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=20, audio_bytes=1000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        report = await harvest(client, archive, audio=True)
        recorded = sorted(filter(fake.conversations.has_audio, fake.conversations))
        assert 0 < len(recorded) < 20
        assert report.recordings == len(recorded)
        rows = query(archive, "SELECT conversation_id, path, size FROM audio ORDER BY conversation_id")
        assert [row[0] for row in rows] == recorded
        assert all((archive.parent / path).read_bytes() == b"".join(mp3.iter_blocks(size)) for _, path, size in rows)
        fake.requests.clear()
        report = await harvest(client, archive, audio=True)
        assert (report.fetched, report.recordings) == (0, 0)
        assert fake.requests("get_audio") == []


async def test_recordings_can_be_asked_for_later(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=20, audio_bytes=1000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        report = await harvest(client, archive, audio=True)
        recorded = list(filter(fake.conversations.has_audio, fake.conversations))
        assert (report.recordings, report.fetched) == (len(recorded), 0)


@pytest.mark.parametrize("kind", [datetime, date])
async def test_only_what_started_between_since_and_until_is_fetched(
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


async def test_the_bounds_are_half_open(archive: Path) -> None:
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


async def test_only_an_agent_s_conversations_are_fetched(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    agent_id = AGENTS[1][0]
    await harvest(client, archive, agent_id=agent_id)
    assert 0 < len(ids_in(archive)) < 250
    assert query(archive, "SELECT DISTINCT agent_id FROM conversations") == [(agent_id,)]


async def test_a_limit_takes_the_newest(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    report = await harvest(client, archive, limit=7)
    assert report.complete
    assert sorted(ids_in(archive)) == sorted(list(fake.conversations)[:7])


async def test_progress_is_told_and_ends_with_the_report(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    seen: list[int] = []
    report = await harvest(client, archive, progress=lambda report: seen.append(report.fetched))
    assert seen == sorted(seen)
    assert seen[-1] == report.fetched == 250
    assert report.seconds > 0
    assert report.bytes == sum(
        len(fake.conversations.document(conversation_id)) for conversation_id in fake.conversations
    )


async def test_no_more_than_was_allowed_are_in_flight(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=100, latency=0.001) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive, max_concurrency=3)
        assert fake.peak_in_flight <= 3 + 3  # and as many that list


async def test_cancelling_keeps_what_was_written_and_the_next_run_goes_on(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=300, latency=0.001) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        some = asyncio.Event()

        def progress(report: HarvestReport) -> None:
            if report.fetched >= 50:
                some.set()

        task = asyncio.create_task(harvest(client, archive, progress=progress))
        await some.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        kept = ids_in(archive)
        assert 50 <= len(kept) < 300
        fake.requests.clear()
        report = await harvest(client, archive)
        assert report.complete
        assert len(fake.requests("get_conversation")) == 300 - len(kept)
        assert sorted(ids_in(archive)) == sorted(fake.conversations)


async def test_an_error_of_progress_comes_out_and_leaves_no_task(
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
        ({"agent_id": "\n"}, "agent_id"),
        ({"since": date(2026, 1, 2), "until": date(2026, 1, 1)}, "since"),
        ({"since": date(2026, 1, 1), "until": date(2026, 1, 1)}, "since"),
    ],
)
async def test_senseless_arguments_are_refused_by_name_and_make_no_file(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, arguments: Any, parameter: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}: "):
        await harvest(client, archive, **arguments)
    assert not archive.exists()
    assert fake.requests == []


async def test_an_archive_of_another_service_is_not_mixed(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive, limit=1)
    async with FakeConvAI(conversations=3) as other, ConvAIClient(other.api_key, base_url=other.url) as other_client:
        with pytest.raises(ArchiveError, match=f"holds conversations of {fake.url}"):
            await harvest(other_client, archive)
    assert len(ids_in(archive)) == 1


async def test_a_change_in_the_list_within_the_lookback_is_fetched_again_and_before_it_is_not(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive)
    ids = list(fake.conversations)
    recent, old = ids[0], ids[-1]
    for conversation_id in (recent, old):
        fake.conversations[conversation_id].feedback = "like"
        fake.conversations[conversation_id].status = "failed"
    fake.requests.clear()
    report = await harvest(client, archive)
    assert [request.path.rsplit("/", 1)[1] for request in fake.requests("get_conversation")] == [recent]
    report = await harvest(client, archive, lookback=timedelta(days=400))
    assert report.found == 250
    assert report.fetched == 1
    assert fake.requests("get_conversation")[-1].path.endswith(old)


async def test_a_call_that_starts_during_the_harvest_is_caught_by_its_end(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=200, latency=0.001) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        new: list[str] = []

        def progress(report: HarvestReport) -> None:
            if report.fetched and not new:
                new.append(fake.add())

        report = await harvest(client, archive, progress=progress)
        assert report.complete
        assert new[0] in ids_in(archive)
        assert report.fetched == 201


async def test_a_range_that_grows_lists_only_what_is_new_in_it(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive, since=date(2026, 5, 20), until=date(2026, 5, 22))
    before = len(ids_in(archive))
    fake.requests.clear()
    report = await harvest(client, archive, since=date(2026, 5, 10), lookback=timedelta(0))
    assert report.complete
    expected = [each for each in fake.conversations if fake.conversations[each].start >= 1_778_371_200]
    assert sorted(ids_in(archive)) == sorted(expected)
    assert len(fake.requests("get_conversation")) == len(expected) - before


async def test_windows_of_one_agent_do_not_hide_those_of_another(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive, agent_id=AGENTS[0][0])
    await harvest(client, archive, agent_id=AGENTS[1][0])
    assert 0 < len(ids_in(archive)) < 250
    await harvest(client, archive)
    assert sorted(ids_in(archive)) == sorted(fake.conversations)
    fake.requests.clear()
    await harvest(client, archive, agent_id=AGENTS[2][0], lookback=timedelta(0))
    assert fake.requests("get_conversation") == []


@pytest.mark.parametrize("prune", ["mark", "remove", None])
async def test_what_the_service_has_no_more_is_pruned_as_asked(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, prune: Any
) -> None:
    await harvest(client, archive, audio=True)
    recent, old = list(fake.conversations)[1], list(fake.conversations)[-2]
    fake.conversations.remove(recent)
    fake.conversations.remove(old)
    report = await harvest(client, archive, prune=prune)
    marked = {row[0] for row in query(archive, "SELECT conversation_id FROM conversations WHERE deleted_unix_secs > 0")}
    assert report.deleted == (0 if prune is None else 1)
    assert marked == ({recent} if prune == "mark" else set())
    assert (recent in ids_in(archive)) is (prune != "remove")
    assert old in ids_in(archive), "it lies before the lookback"
    await harvest(client, archive, prune=prune, lookback=timedelta(days=400))
    assert len(ids_in(archive)) == (248 if prune == "remove" else 250)
    recordings = {path.stem for path in (archive.parent / "audio").iterdir()}
    assert ({recent, old} & recordings == set()) or prune != "remove"


async def test_what_is_pruned_leaves_no_trace_in_the_file(archive: Path) -> None:
    def mark(document: dict[str, Any]) -> None:
        document["transcript"][0]["message"] = "my secret hamster"

    async with (
        FakeConvAI(conversations=5) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        gone = next(iter(fake.conversations))
        fake.faults.add(faults.change(mark), path=gone)
        await harvest(client, archive)
        assert b"hamster" in archive.read_bytes()
        fake.conversations.remove(gone)
        assert (await harvest(client, archive, prune="remove")).deleted == 1
    assert b"hamster" not in b"".join(path.read_bytes() for path in archive.parent.iterdir())


async def test_pruning_trusts_no_list_alone(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    await harvest(client, archive)
    fake.faults.add(faults.change(lambda page: page["conversations"].clear()), operation="list_conversations", times=5)
    report = await harvest(client, archive, prune="remove", lookback=timedelta(days=400))
    assert report.deleted == 0
    assert len(ids_in(archive)) == 250


@pytest.mark.parametrize("prune", ["mark", "remove"])
async def test_pruning_more_than_the_limit_is_refused_and_prunes_nothing(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, prune: Any
) -> None:
    await harvest(client, archive)
    for conversation_id in list(fake.conversations)[5:31]:
        fake.conversations.remove(conversation_id)
    options: Any = {"prune": prune, "lookback": timedelta(days=400)}
    report = await harvest(client, archive, **options)
    assert (report.not_pruned, report.deleted, report.complete) == (26, 0, False)
    assert query(archive, "SELECT count(*), count(deleted_unix_secs) FROM conversations") == [(250, 0)]
    report = await harvest(client, archive, prune_limit=0, **options)
    assert (report.not_pruned, report.deleted) == (1, 0)
    report = await harvest(client, archive, prune_limit=0.104, **options)
    assert (report.not_pruned, report.deleted, report.complete) == (0, 26, True)
    left = 250 if prune == "mark" else 224
    assert query(archive, "SELECT count(*), count(deleted_unix_secs) FROM conversations") == [(left, left - 224)]


async def test_refused_pruning_leaves_its_ranges_to_be_read_again(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=30, days=30) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        for conversation_id in list(fake.conversations)[5:20]:
            fake.conversations.remove(conversation_id)
        with closing(sqlite3.connect(archive)) as connection, connection:
            connection.execute("DELETE FROM windows")
        assert (await harvest(client, archive, prune="remove", lookback=timedelta(0))).not_pruned == 11
        report = await harvest(client, archive, prune="remove", prune_limit=1, lookback=timedelta(0))
        assert (report.deleted, report.complete) == (15, True)
        assert len(ids_in(archive)) == 15


async def test_ten_conversations_of_a_small_archive_may_be_pruned(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=12, days=1) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        for conversation_id in list(fake.conversations)[1:11]:
            fake.conversations.remove(conversation_id)
        assert (await harvest(client, archive, prune="remove")).deleted == 10


async def test_every_pruned_conversation_was_answered_with_404(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive)
    gone = set(list(fake.conversations)[:4])
    for conversation_id in gone:
        fake.conversations.remove(conversation_id)
    fake.requests.clear()
    await harvest(client, archive, prune="remove")
    asked = {request.path.rpartition("/")[2] for request in fake.requests("get_conversation")}
    assert asked == gone
    assert not gone & set(ids_in(archive))


async def test_a_conversation_that_was_unfinished_and_is_gone_is_no_failure_for_ever(archive: Path) -> None:
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


async def test_a_recording_that_does_not_exist_is_no_failure_and_asked_for_again_while_it_may_come(
    archive: Path,
) -> None:
    async with (
        FakeConvAI(conversations=60, audio_bytes=100) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        fake.faults.add(faults.status(404), operation="get_audio", times=None)
        report = await harvest(client, archive, audio=True)
        assert (report.recordings, report.failed) == (0, 0)
        fake.faults.clear()
        report = await harvest(client, archive, audio=True)
        newest = fake.conversations[next(iter(fake.conversations))].start
        recent = [
            each
            for each in fake.conversations
            if fake.conversations.has_audio(each) and fake.conversations[each].start >= newest - 3 * 86_400
        ]
        assert report.recordings == len(recent) > 0


async def test_a_recording_that_fails_keeps_its_transcript_and_is_tried_again(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=20, audio_bytes=100) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        recorded = [each for each in fake.conversations if fake.conversations.has_audio(each)]
        fake.faults.add(faults.status(403), operation="get_audio", times=None)
        report = await harvest(client, archive, audio=True)
        assert (report.fetched, report.failed) == (20, len(recorded))
        with Archive.open(archive) as opened:
            assert {failure.part for failure in opened.failures()} == {"audio"}
        fake.faults.clear()
        report = await harvest(client, archive, audio=True)
        assert (report.fetched, report.recordings, report.failed) == (0, len(recorded), 0)
        (archive.parent / "audio" / f"{recorded[0]}.mp3").unlink()
        (archive.parent / "audio" / f".{recorded[0]}.mp3.x.part").touch()
        report = await harvest(client, archive, audio=True)
        assert report.recordings == 1, "the one that somebody removed"
        assert not list((archive.parent / "audio").glob(".*")), "what a killed process left behind is tidied up"


async def test_outage_in_the_middle_costs_nothing(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeConvAI(conversations=100, latency=0.001) as fake:
        port = int(fake.url.rpartition(":")[2])
        client = ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(attempts=2, wait_initial=0))
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                await fake.start(port)

        real = OutageGuard.__init__
        monkeypatch.setattr(
            OutageGuard, "__init__", lambda *arguments, **options: real(*arguments, sleep=sleep, **options)
        )
        ending: list[asyncio.Task[None]] = []
        waited_for: list[str | None] = []

        def progress(report: HarvestReport) -> None:
            if report.fetched and not ending:
                ending.append(asyncio.create_task(fake.close()))
            if report.waiting_for not in waited_for[-1:]:
                waited_for.append(report.waiting_for)

        async with client:
            report = await harvest(client, archive, progress=progress, source="fake")
        assert report.complete
        assert len(waits) >= 2
        first, wait, last = waited_for
        assert (first, last) == (None, None)
        assert wait is not None
        assert sorted(ids_in(archive)) == sorted(fake.conversations)


async def test_outage_that_lasts_ends_the_harvest_with_its_error(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    real = OutageGuard.__init__
    monkeypatch.setattr(OutageGuard, "__init__", lambda *arguments: real(*arguments, sleep=sleep, clock=lambda: now))
    async with FakeConvAI(conversations=100) as fake:
        fake.faults.add(faults.html(503), operation="get_conversation", times=None)
        rule = fake.faults.add(faults.html(503), operation="list_conversations", times=None)
        rule.times = 0

        def progress(report: HarvestReport) -> None:
            if report.found:
                rule.times = None

        async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
            with pytest.raises(ServerError, match="answered 503"):
                await harvest(client, archive, progress=progress)
    assert 900 <= now < 920


async def test_one_conversation_that_always_breaks_off_is_recorded_and_stops_nobody(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    bad = list(fake.conversations)[3]
    fake.faults.add(faults.truncate(), path=bad, times=None)
    report = await harvest(client, archive)
    assert (report.fetched, report.failed) == (249, 1)


async def test_a_long_pause_that_the_service_asks_for_is_waited_out(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    clock = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal clock
        waits.append(seconds)
        clock += seconds
        client._engine.limiter._throttled_until = None

    real = OutageGuard.__init__
    monkeypatch.setattr(OutageGuard, "__init__", lambda *arguments: real(*arguments, sleep=sleep, clock=lambda: clock))
    fake.faults.add(faults.rate_limited(retry_after=300), operation="get_conversation")
    report = await harvest(client, archive)
    assert report.complete
    assert max(waits) == pytest.approx(300, abs=1)


async def test_asked_to_stop_it_finishes_what_is_under_way_and_fetches_nothing_twice(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=300, latency=0.001) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        stop = anyio.Event()

        def progress(report: HarvestReport) -> None:
            if report.fetched >= 50:
                stop.set()

        report = await harvest(client, archive, progress=progress, stop=stop)
        assert report.interrupted
        assert not report.complete
        assert len(ids_in(archive)) == report.fetched == len(fake.requests("get_conversation"))
        assert report.fetched < 300
        report = await harvest(client, archive, audio=True)
        assert report.complete
        assert len(fake.requests("get_conversation")) == 300
        with Archive.open(archive) as opened:
            last = opened.status().last_run
            assert last is not None
            assert last.report is not None
            assert last.report["interrupted"] is False


async def test_a_stopped_harvest_reports_about_how_many_are_still_to_be_listed(archive: Path) -> None:
    async with FakeConvAI(conversations=20_000) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        stop = anyio.Event()

        def progress(report: HarvestReport) -> None:
            if report.to_list >= 2000:
                stop.set()

        report = await harvest(client, archive, progress=progress, stop=stop, max_concurrency=4)
        assert (report.interrupted, report.listed) == (True, False)
        assert report.to_list >= 1000


async def test_asked_to_stop_before_it_begins_it_does_nothing(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    stop = anyio.Event()
    stop.set()
    report = await harvest(client, archive, stop=stop, audio=True)
    assert (report.fetched, report.interrupted) == (0, True)


async def test_documents_that_are_not_json_are_kept_as_they_came_and_not_fetched_again(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    bom, not_a_number, surrogate, *_ = fake.conversations
    spoilt = {
        bom: b"\xef\xbb\xbf" + fake.conversations.document(bom),
        not_a_number: fake.conversations.document(not_a_number)[:-1] + b', "x": NaN}',
        surrogate: fake.conversations.document(surrogate)[:-1] + b', "agent_name": "\xed\xa0\xbd"}',
    }
    for each, document in spoilt.items():
        fake.faults.add(faults.body(document), operation="get_conversation", path=each, times=None)
    report = await harvest(client, archive)
    assert (report.complete, report.failed) == (True, 0)
    assert spoilt.items() <= dict(query(archive, "SELECT conversation_id, raw FROM conversations")).items()
    fake.requests.clear()
    assert (await harvest(client, archive)).complete
    assert fake.requests("get_conversation") == []


async def test_requests_that_do_not_end_soon_after_a_stop_are_cancelled(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_harvester, "_GRACE_SECS", 0.2)
    async with (
        FakeConvAI(conversations=20, audio_bytes=2_000_000, audio_content_length=False) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        stop = anyio.Event()

        async def trickle(request: web.Request, _: Any) -> web.StreamResponse:
            stop.set()
            reply = web.StreamResponse(headers={"content-type": "audio/mpeg"})
            await reply.prepare(request)
            with suppress(ConnectionError):
                while True:
                    await reply.write(b"\xff")
                    await asyncio.sleep(0.02)
            return reply

        fake.faults.add(trickle, operation="get_audio", times=None)
        with anyio.fail_after(20):
            report = await harvest(client, archive, audio=True, stop=stop)
        assert report.interrupted
        assert (report.fetched, report.recordings) == (20, 0)
        assert list((archive.parent / "audio").iterdir()) == []
        fake.faults.clear()
        report = await harvest(client, archive, audio=True)
        assert report.complete
        assert report.recordings > 0


async def test_outage_during_which_it_is_asked_to_stop_ends_in_order(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = anyio.Event()

    async def sleep(_: float) -> None:
        stop.set()

    real = OutageGuard.__init__
    monkeypatch.setattr(OutageGuard, "__init__", lambda *arguments: real(*arguments, sleep=sleep))
    async with (
        FakeConvAI(conversations=30) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client,
    ):
        fake.faults.add(faults.html(502), operation="get_conversation", times=None)
        rule = fake.faults.add(faults.html(502), operation="list_conversations", times=0)

        def progress(report: HarvestReport) -> None:
            if report.found:
                rule.times = None

        report = await harvest(client, archive, progress=progress, stop=stop)
        assert (report.interrupted, report.listed, report.failed, report.waiting_for) == (True, False, 0, None)
        fake.faults.clear()
        assert (await harvest(client, archive)).fetched == 30


async def test_page_of_a_proxy_with_status_404_is_no_deletion(archive: Path) -> None:
    """A proxy that has lost its routes answers like this for conversations that the service has."""
    async with (
        FakeConvAI(conversations=5, unfinished=1, days=1) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        hidden = list(fake.conversations)[-1]
        fake.faults.add(faults.status(400), operation="get_conversation", times=1)
        assert (await harvest(client, archive, max_concurrency=1)).failed == 1
        fake.faults.clear()
        fake.faults.add(faults.html(404), operation="get_conversation", times=None)
        fake.faults.add(
            faults.change(lambda page: page.update(conversations=[])), operation="list_conversations", times=None
        )
        report = await harvest(client, archive, prune="remove")
        assert report.deleted == 0
        assert not report.complete
        assert hidden in ids_in(archive)
        fake.faults.clear()
        assert (await harvest(client, archive)).complete
        assert sorted(ids_in(archive)) == sorted(fake.conversations)


async def test_recording_that_a_proxy_answers_with_404_is_fetched_by_the_next_run(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=60, audio_bytes=100) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        fake.faults.add(faults.html(404), operation="get_audio", times=None)
        report = await harvest(client, archive, audio=True)
        recorded = [each for each in fake.conversations if fake.conversations.has_audio(each)]
        assert (report.recordings, report.failed) == (0, len(recorded))
        fake.faults.clear()
        assert (await harvest(client, archive, audio=True)).recordings == len(recorded)


async def test_harvest_notes_nothing_as_read_once_a_backup_was_restored_over_it(archive: Path, tmp_path: Path) -> None:
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
