from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvloop

from convai_async import ConvAIClient
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path


def test_lists_downloads_cancellation_and_harvests_work_on_uvloop(tmp_path: Path) -> None:
    async def main() -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        async with (
            FakeConvAI(conversations=150) as fake,
            ConvAIClient(fake.api_key, base_url=fake.url) as client,
        ):
            async with client.conversations.list().prefetch() as summaries:
                ids = [summary.conversation_id async for summary in summaries]
            assert ids == list(fake.conversations)

            recorded = next(each for each in ids if fake.conversations.has_audio(each))
            saved = await client.conversations.audio.download(recorded, tmp_path / "call.mp3")
            assert saved.size == (tmp_path / "call.mp3").stat().st_size

            fake.faults.add(faults.latency(3600), operation="get_conversation")
            asked = asyncio.create_task(client.conversations.get(ids[0]))
            while not any(request.path.endswith(ids[0]) for request in fake.requests):
                await asyncio.sleep(0)
            asked.cancel()
            assert isinstance((await asyncio.gather(asked, return_exceptions=True))[0], asyncio.CancelledError)
            fake.faults.clear()
            assert (await harvest(client, tmp_path / "calls.db")).fetched == len(ids)

    uvloop.run(main())
