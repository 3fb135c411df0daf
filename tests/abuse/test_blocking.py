"""The event loop is never blocked by files or databases."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockingError, blockbuster_ctx

from convai_async import ConvAIClient
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from pathlib import Path


async def test_nothing_of_ours_blocks_the_event_loop(tmp_path: Path) -> None:
    async with (
        FakeConvAI(conversations=60, audio_bytes=600_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        with blockbuster_ctx("convai_async"):
            async with client.conversations.get_many(fake.conversations) as results:
                assert len([result async for result in results]) == 60
            saved = await client.conversations.audio.download(recorded, tmp_path / "a.mp3")
            await client.conversations.files.create(recorded, saved.path, filename="a.pdf")
            assert (await harvest(client, tmp_path / "calls.db", audio=True)).complete
            assert (await harvest(client, tmp_path / "calls.db", audio=True, prune="mark")).complete


async def test_blocking_would_be_seen() -> None:
    with blockbuster_ctx(), pytest.raises(BlockingError):
        time.sleep(0.001)  # the very thing
