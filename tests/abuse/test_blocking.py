"""The event loop is never blocked: neither by files or databases, nor by work that takes long."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from service_process import service_process

from convai_async import ConvAIClient
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONGEST_STEP = 0.020
"""Seconds of computing between two looks of the loop at what else there is to do."""


async def test_nothing_of_ours_blocks_the_event_loop(tmp_path: Path) -> None:
    async with (
        FakeConvAI(conversations=60, audio_bytes=600_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        with blockbuster_ctx("convai_async"):
            await do_everything(client, list(fake.conversations), fake.conversations.has_audio, tmp_path)


async def test_blocking_would_be_seen() -> None:
    with blockbuster_ctx(), pytest.raises(BlockingError):
        time.sleep(0.001)  # the very thing


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds that this thread computed in each step of the loop; other processes do not count."""
    taken: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        taken.append(time.thread_time() - began)

    gc.collect()
    gc.freeze()  # collecting what the other tests left is none of the client's work
    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    yield taken
    gc.unfreeze()


async def test_no_step_takes_the_event_loop_for_long(tmp_path: Path, steps: list[float]) -> None:
    with service_process(conversations=150, audio_bytes=2_000_000) as service:
        async with ConvAIClient(service.api_key, base_url=service.url) as client:
            await do_everything(client, list(service.conversations), service.conversations.has_audio, tmp_path)
    print(f"{len(steps):,} steps, the longest {max(steps) * 1000:.1f} ms")
    assert len(steps) > 1000
    assert max(steps) < LONGEST_STEP


async def test_a_step_that_takes_long_would_be_seen(steps: list[float]) -> None:
    await asyncio.sleep(0)
    sum(range(10_000_000))
    await asyncio.sleep(0)
    assert max(steps) > LONGEST_STEP


async def do_everything(client: ConvAIClient, ids: list[str], has_audio: Callable[[str], bool], folder: Path) -> None:
    recorded = next(filter(has_audio, ids))
    assert len(await client.conversations.list().collect()) == len(ids)
    async with client.conversations.get_many(ids) as results:
        assert len([result async for result in results]) == len(ids)
    saved = await client.conversations.audio.download(recorded, folder / "a.mp3")
    await client.conversations.files.create(recorded, saved.path, filename="a.pdf")
    assert (await harvest(client, folder / "calls.db", audio=True)).complete
    assert (await harvest(client, folder / "calls.db", audio=True, prune="mark")).complete
