"""Generated schedules of harvests, kills, faults and new calls end with an archive of all conversations."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convai_async import ConvAIClient, ConvAIError, RetryPolicy
from convai_async.archive import Archive
from convai_async.harvest import HarvestReport, harvest
from convai_async.testing import FakeConvAI, faults

events = st.one_of(
    st.tuples(st.just("harvest"), st.just(0)),
    st.tuples(st.just("kill"), st.integers(1, 400)),
    st.tuples(st.just("stop"), st.integers(0, 60)),
    st.tuples(st.just("new"), st.integers(1, 5)),
    st.tuples(st.just("finish"), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.integers(0, 50)),
    st.tuples(st.just("faults"), st.sampled_from([0, 5, 20])),
    st.tuples(st.just("break"), st.integers(0, 50)),
)


@pytest.mark.slow
@settings(max_examples=15)
@given(seed=st.integers(0, 100), schedule=st.lists(events, max_size=8))
def test_any_schedule_ends_with_an_archive_equal_to_the_service(seed: int, schedule: list[tuple[str, int]]) -> None:
    anyio.run(follow, seed, schedule)


async def follow(seed: int, schedule: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "calls.db"
        async with FakeConvAI(conversations=60, seed=seed, unfinished=4, days=20) as fake:
            retry = RetryPolicy(attempts=3, wait_initial=0, wait_max=0)
            async with ConvAIClient(fake.api_key, base_url=fake.url, retry=retry) as client:
                for what, number in schedule:
                    await happen(what, number, client, fake, archive)
                fake.faults.clear()
                for conversation_id in fake.conversations:
                    fake.finish(conversation_id)
                await harvest(client, archive, prune="remove", lookback=timedelta(days=4000))
                report = await harvest(client, archive)
                assert report.complete
                assert report.fetched == 0, "nothing is left to do"
            with Archive.open(archive) as opened:
                assert {each.conversation_id: each.raw for each in opened.records()} == {
                    each: fake.conversations.document(each) for each in fake.conversations
                }
                assert opened.failures() == []
                assert opened._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                opened._connection.execute("PRAGMA query_only = OFF")
                opened._connection.execute("INSERT INTO turns_search (turns_search) VALUES ('integrity-check')")


async def happen(what: str, number: int, client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    ids = list(fake.conversations)
    chosen = ids[min(number, len(ids) - 1)]
    match what:
        case "harvest":
            await try_harvest(client, archive)
        case "kill":
            await killed_after(number, client, archive)
        case "stop":
            await stopped_after(number, client, archive)
        case "new":
            for each in range(number):
                fake.add(status="processing" if each % 2 else "done")
        case "finish":
            fake.finish(chosen)
        case "delete":
            fake.conversations.remove(chosen)
        case "faults":
            fake.faults.clear()
            fake.faults.add_random(number / 100)
        case "break":
            fake.faults.add(faults.status(500), path=chosen, times=None)


async def killed_after(turns: int, client: ConvAIClient, archive: Path) -> None:
    task = asyncio.create_task(try_harvest(client, archive))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def stopped_after(fetched: int, client: ConvAIClient, archive: Path) -> None:
    stop = anyio.Event()

    def progress(report: HarvestReport) -> None:
        if report.fetched >= fetched:
            stop.set()

    await try_harvest(client, archive, stop=stop, progress=progress)


async def try_harvest(client: ConvAIClient, archive: Path, **options: Any) -> None:
    with suppress(ConvAIError):  # the list could not be read: the next one goes on
        await harvest(client, archive, **options)
