"""A harvest that is cancelled, or asked to stop, keeps its results, and the next run resumes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiohttp import web
from archive_file import ids_in
from gate import Gate

from convai_async import ConvAIClient, RetryPolicy
from convai_async.archive import Archive
from convai_async.client import get_engine
from convai_async.harvest import HarvestReport, _pipeline, harvest
from convai_async.harvest._outages import OutageGuard
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def stop_at_outage(monkeypatch: pytest.MonkeyPatch) -> anyio.Event:
    """An event that is set when the harvest waits for the service."""
    stop = anyio.Event()

    async def sleep(_: float) -> None:
        stop.set()

    real = OutageGuard.__init__
    monkeypatch.setattr(OutageGuard, "__init__", lambda *arguments: real(*arguments, sleep=sleep))
    return stop


async def test_cancelled_harvest_keeps_written_conversations_and_the_next_run_resumes(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=300, latency=0.01) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        some = asyncio.Event()

        def progress(report: HarvestReport) -> None:
            if report.fetched >= 50:
                some.set()

        task = asyncio.create_task(harvest(client, archive, progress=progress, max_concurrency=4))
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


async def test_stopped_harvest_writes_requests_in_flight_and_the_next_run_fetches_none_twice(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=300, latency=0.01) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        stop = anyio.Event()

        def progress(report: HarvestReport) -> None:
            if report.fetched >= 50:
                stop.set()

        report = await harvest(client, archive, progress=progress, stop=stop, max_concurrency=4)
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


async def test_requests_that_wait_for_a_slot_at_the_stop_are_not_sent(archive: Path) -> None:
    async with FakeConvAI(conversations=200) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        gate, stop = Gate(0), anyio.Event()
        fake.faults.add(gate, operation="get_conversation", times=None)
        limiter = get_engine(client).limiter
        async with anyio.create_task_group() as group:

            async def stop_while_requests_wait() -> None:
                while gate.held < limiter.limit or limiter.count_demand()["bulk"] <= limiter.limit:
                    await asyncio.sleep(0)
                stop.set()
                gate.allowed = float("inf")

            group.start_soon(stop_while_requests_wait)
            report = await harvest(client, archive, stop=stop)
        sent = len(fake.requests("get_conversation"))
        assert sent == limiter.limit < 128
        assert (report.interrupted, report.fetched, report.failed) == (True, sent, 0)
        assert len(ids_in(archive)) == sent
        report = await harvest(client, archive, lookback=timedelta(0))
        assert report.complete
        assert len(fake.requests("get_conversation")) == 200, "nothing was lost, or fetched twice"
        assert sorted(ids_in(archive)) == sorted(fake.conversations)


@pytest.mark.parametrize(
    ("code", "timeout"), [(500, None), (429, 60.0)], ids=["in the retry policy", "in the limiter and the harvest"]
)
async def test_request_that_waits_to_be_sent_again_at_the_stop_is_given_up(
    archive: Path, code: int, timeout: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pipeline, "_GRACE_SECS", 3600.0)
    retry = RetryPolicy(timeout=timeout)
    async with (
        FakeConvAI(conversations=20) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=retry) as client,
    ):
        stop = anyio.Event()
        respond = faults.status(code, headers={"retry-after": "600"})

        async def respond_and_stop(request: web.Request, proceed: Any) -> web.StreamResponse:
            if len(fake.requests("get_conversation")) == 5:
                stop.set()
            return await respond(request, proceed)

        fake.faults.add(respond_and_stop, operation="get_conversation", times=None)
        with anyio.fail_after(60):
            report = await harvest(client, archive, stop=stop)
        assert (report.interrupted, report.fetched, report.failed) == (True, 0, 0)
        assert len(fake.requests("get_conversation")) < 20


async def test_stopped_harvest_reports_how_many_are_probably_still_to_be_listed(archive: Path) -> None:
    async with FakeConvAI(conversations=20_000) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        stop = anyio.Event()

        def progress(report: HarvestReport) -> None:
            if report.left_to_list >= 2000:
                stop.set()

        report = await harvest(client, archive, progress=progress, stop=stop, max_concurrency=4)
        assert (report.interrupted, report.list_complete) == (True, False)
        assert report.left_to_list >= 1000


async def test_range_whose_page_was_awaited_at_the_stop_is_left_to_list(
    archive: Path, stop_at_outage: anyio.Event
) -> None:
    async with (
        FakeConvAI(conversations=1_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client,
    ):
        rule = fake.faults.add(faults.html(502), times=0)

        def progress(report: HarvestReport) -> None:
            if report.found:
                rule.times = None

        report = await harvest(client, archive, since=date(2026, 1, 1), progress=progress, stop=stop_at_outage)
        assert report.interrupted
        assert report.left_to_list > 0


async def test_harvest_stopped_before_it_starts_fetches_nothing(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    stop = anyio.Event()
    stop.set()
    report = await harvest(client, archive, stop=stop, audio=True)
    assert (report.fetched, report.interrupted) == (0, True)


async def test_requests_that_outlast_the_grace_period_after_a_stop_are_cancelled(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pipeline, "_GRACE_SECS", 0.2)
    async with (
        FakeConvAI(conversations=20, audio_bytes=2_000_000, audio_content_length=False) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        stop = anyio.Event()

        async def trickle(request: web.Request, _: Any) -> web.StreamResponse:
            stop.set()
            response = web.StreamResponse(headers={"content-type": "audio/mpeg"})
            await response.prepare(request)
            with suppress(ConnectionError):
                while True:
                    await response.write(b"\xff")
                    await asyncio.sleep(0.02)
            return response

        fake.faults.add(trickle, operation="get_audio", times=None)
        with anyio.fail_after(60):
            report = await harvest(client, archive, audio=True, stop=stop)
        assert report.interrupted
        assert (report.fetched, report.recordings) == (20, 0)
        assert list((archive.parent / "audio").iterdir()) == []
        fake.faults.clear()
        report = await harvest(client, archive, audio=True)
        assert report.complete
        assert report.recordings > 0


async def test_stop_during_an_outage_ends_the_harvest_without_an_error(
    archive: Path, stop_at_outage: anyio.Event
) -> None:
    async with (
        FakeConvAI(conversations=30) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client,
    ):
        fake.faults.add(faults.html(502), operation="get_conversation", times=None)
        rule = fake.faults.add(faults.html(502), operation="list_conversations", times=0)

        def progress(report: HarvestReport) -> None:
            if report.found:
                rule.times = None

        report = await harvest(client, archive, progress=progress, stop=stop_at_outage)
        assert (report.interrupted, report.list_complete, report.failed, report.waiting_for) == (True, False, 0, None)
        fake.faults.clear()
        assert (await harvest(client, archive)).fetched == 30
