"""Cancelled after any number of steps, everything gives back what it holds."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ConvAIClient
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

OPEN_FILES = Path("/proc/self/fd")


async def get(client: ConvAIClient, fake: FakeConvAI, folder: Path) -> None:
    await client.conversations.get(next(iter(fake.conversations)))


async def list_all(client: ConvAIClient, fake: FakeConvAI, folder: Path) -> None:
    await client.conversations.list(page_size=5).collect()


async def prefetch(client: ConvAIClient, fake: FakeConvAI, folder: Path) -> None:
    async with client.conversations.list(page_size=5).prefetch() as summaries:
        async for _ in summaries:
            pass


async def get_many(client: ConvAIClient, fake: FakeConvAI, folder: Path) -> None:
    async with client.conversations.get_many(list(fake.conversations)[:6], max_concurrency=3) as results:
        async for _ in results:
            pass


async def download(client: ConvAIClient, fake: FakeConvAI, folder: Path) -> None:
    recorded = next(filter(fake.conversations.has_audio, fake.conversations))
    await client.conversations.audio.download(recorded, folder / "call.mp3", overwrite=True)


async def harvest_some(client: ConvAIClient, fake: FakeConvAI, folder: Path) -> None:
    await harvest(client, folder / "calls.db", limit=5, audio=True)


@pytest.mark.parametrize("act", [get, list_all, prefetch, get_many, download, harvest_some])
async def test_cancelled_at_any_step_it_gives_back_what_it_held(
    act: Callable[[ConvAIClient, FakeConvAI, Path], Awaitable[Any]], tmp_path: Path
) -> None:
    async with (
        FakeConvAI(conversations=20, audio_bytes=300_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=4) as client,
    ):
        await act(client, fake, tmp_path)
        steps = 0
        while True:
            steps += 1
            task = asyncio.ensure_future(act(client, fake, tmp_path))
            for _ in range(steps):
                await asyncio.sleep(0)
            finished = task.done()
            task.cancel()
            await asyncio.wait([task])
            assert client._engine.limiter.in_flight == 0, f"after {steps} steps"
            assert list(tmp_path.rglob("*.part")) == [], f"after {steps} steps"
            assert list(tmp_path.rglob("*.lock")) == [], f"after {steps} steps"
            if finished or steps > 400:
                break
        assert steps > 5
        await act(client, fake, tmp_path)
        left = {task for task in asyncio.all_tasks() if "convai_async/" in repr(task) and "testing" not in repr(task)}
        assert left == set()


async def test_thousands_of_requests_leave_nothing_behind() -> None:
    async with (
        FakeConvAI(conversations=50) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):

        async def requests(number: int) -> tuple[int, int, int]:
            ids = (list(fake.conversations) * number)[:number]
            async with client.conversations.get_many(ids, max_concurrency=8) as results:
                async for result in results:
                    assert result.error is None
            fake.requests.clear()
            gc.collect()
            return len(list(OPEN_FILES.iterdir())), len(asyncio.all_tasks()), len(gc.get_objects())

        if not OPEN_FILES.is_dir():
            pytest.skip("counting open files needs /proc")
        files, tasks, objects = await requests(500)
        more_files, more_tasks, more_objects = await requests(2000)
        assert more_files <= files
        assert more_tasks <= tasks
        assert more_objects < objects + 1000, "less than one for two requests"
