"""What fails is recorded and fetched by a later run; what would fail everywhere ends the run."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from archive_file import ids_in, query

from convai_async import ConvAIClient, RetryPolicy
from convai_async.archive import Archive
from convai_async.errors import AuthenticationError, ServerError
from convai_async.harvest import HarvestReport, harvest
from convai_async.harvest._outages import OutageGuard
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path


async def test_failed_conversation_is_recorded_and_fetched_by_the_next_run(
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


async def test_found_includes_failed_conversations_of_earlier_runs(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    failed = list(fake.conversations)[5:8]
    for each in failed:
        fake.faults.add(faults.status(403), path=each)
    assert (await harvest(client, archive)).failed == 3
    report = await harvest(client, archive, lookback=timedelta(0))
    assert (report.fetched, report.found - report.unchanged) == (3, 3)


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b'{"a":', b'{"error": "x"}', b"[]", b'{"conversation_id": "another"}']
)
async def test_response_that_is_not_a_conversation_is_a_failure_and_fetched_again(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, body: bytes
) -> None:
    replaced = next(iter(fake.conversations))
    fake.faults.add(faults.body(body), path=replaced, times=None)
    report = await harvest(client, archive, limit=3)
    assert (report.fetched, report.failed, report.complete) == (2, 1, False)
    fake.faults.clear()
    report = await harvest(client, archive, limit=3)
    assert (report.fetched, report.complete) == (1, True)
    assert query(archive, "SELECT raw FROM conversations WHERE conversation_id = ?", replaced) == [
        (fake.conversations.document(replaced),)
    ]


@pytest.mark.parametrize(
    "body", [b'{"conversation_id": "conv', b"<html>log in</html>", b"", b"{}", b"null", b'{"detail": {"message": "x"}}']
)
async def test_response_that_is_not_a_conversation_is_retried(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, body: bytes
) -> None:
    newest = next(iter(fake.conversations))
    fake.faults.add(faults.body(body), path=newest, times=4)
    report = await harvest(client, archive, limit=3)
    assert (report.fetched, report.failed, report.undecodable) == (3, 0, 0)
    assert len([request for request in fake.requests if request.path.endswith(newest)]) == 5


async def test_random_faults_lose_no_conversation(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    fake.faults.add_random(0.1)
    patient = client.with_options(retry=RetryPolicy(attempts=8, wait_initial=0, wait_max=0))
    report = await harvest(patient, archive)
    assert report.complete
    assert sorted(ids_in(archive)) == sorted(fake.conversations)


async def test_wrong_key_ends_the_run_after_one_request(fake: FakeConvAI, archive: Path) -> None:
    async with ConvAIClient("wrong", base_url=fake.url) as client:
        with pytest.raises(AuthenticationError):
            await harvest(client, archive)
    assert len(fake.requests) == 1


async def test_revoked_key_ends_the_run_and_keeps_written_conversations(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    ids = list(fake.conversations)
    fake.faults.add(faults.status(401), path=ids[200], times=None)
    with pytest.raises(AuthenticationError):
        await harvest(client, archive, max_concurrency=2)
    kept = ids_in(archive)
    assert kept
    assert ids[200] not in kept
    with Archive.open(archive) as opened:
        run = opened.status().last_run
        assert run is not None
        assert run.ended_unix_secs is not None
        assert (run.error or "").startswith("AuthenticationError: GET /v1/convai/conversations/")
        assert run.report is not None
        assert run.report["fetched"] == len(kept)


async def test_unreadable_list_is_recorded_and_read_again_by_the_next_run(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    fake.faults.add(faults.status(500), operation="list_conversations", times=None)
    report = await harvest(client, archive)
    assert (report.list_complete, report.failed, report.complete) == (False, 1, False)
    with Archive.open(archive) as opened:
        (failure,) = opened.failures()
        assert (failure.conversation_id, failure.part) == ("range:0-", "list")
        assert "returned 500" in failure.error
        assert opened.status().windows == []
    fake.faults.clear()
    report = await harvest(client, archive)
    assert (report.fetched, report.complete) == (250, True)
    with Archive.open(archive) as opened:
        assert opened.failures() == []


async def test_outage_in_the_middle_loses_no_conversation(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeConvAI(conversations=100, latency=0.001) as fake:
        port = int(fake.url.rpartition(":")[2])
        client = ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(attempts=2, wait_initial=0))
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                await asyncio.wait(ending)
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
            # Few connections: one that is made at the moment at which the service closes would be left open by it.
            report = await harvest(client, archive, progress=progress, source="fake", max_concurrency=4)
        assert report.complete
        assert len(waits) >= 2
        first, wait, last = waited_for
        assert (first, last) == (None, None)
        assert wait is not None
        assert sorted(ids_in(archive)) == sorted(fake.conversations)


async def test_outage_that_lasts_15_minutes_ends_the_run_with_its_error(
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
            with pytest.raises(ServerError, match="returned 503"):
                await harvest(client, archive, progress=progress)
    assert 900 <= now < 920


async def test_conversation_whose_response_always_breaks_off_is_recorded_and_others_are_stored(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    bad = list(fake.conversations)[3]
    fake.faults.add(faults.truncate(), path=bad, times=None)
    report = await harvest(client, archive)
    assert (report.fetched, report.failed) == (249, 1)


async def test_retry_after_of_five_minutes_is_waited_for(
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
