"""The event loop is never blocked, neither by files and databases nor by long computations."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from blockbuster import BlockingError, blockbuster_ctx
from service_process import service_process

from convai_async import ConvAIClient
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_STEP_SECS = 0.020
"""The most seconds of computing in one step of the event loop."""


async def test_package_never_blocks_the_event_loop(tmp_path: Path) -> None:
    async with (
        FakeConvAI(conversations=60, audio_bytes=600_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        with blockbuster_ctx("convai_async") as blockbuster:
            # The fake service reads an upload, which aiohttp 3.13 keeps in a file.
            blockbuster.functions["io.BufferedRandom.read"].can_block_in("handlers/files.py", "create_file")
            await do_everything(client, list(fake.conversations), fake.conversations.has_audio, tmp_path)


async def test_blocking_call_is_detected() -> None:
    with blockbuster_ctx(), pytest.raises(BlockingError):
        time.sleep(0.001)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds of CPU time that this thread took in each step of the loop; other processes do not count."""
    taken: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        taken.append(time.thread_time() - began)

    gc.collect()
    gc.freeze()  # collecting the garbage of other tests is not the client's work
    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    yield taken
    gc.unfreeze()


async def test_no_step_of_the_event_loop_takes_long(tmp_path: Path, steps: list[float]) -> None:
    with service_process(conversations=150, audio_bytes=2_000_000) as service:
        async with ConvAIClient(service.api_key, base_url=service.url) as client:
            await do_everything(client, list(service.conversations), service.conversations.has_audio, tmp_path)
    print(f"{len(steps):,} steps, the longest {max(steps) * 1000:.1f} ms")
    assert len(steps) > 1000
    assert max(steps) < MAX_STEP_SECS


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve a folder from a process of its own, whose steps are not counted; a folder's response is its index.html."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield "http://127.0.0.1:" + process.stdout.readline().split(" port ")[1].split()[0]
        process.kill()


@pytest.mark.parametrize("quirk", [{}, {"tool_calls": None, "interrupted": None}], ids=["plain", "with nulls"])
async def test_document_of_10_mb_does_not_block_the_event_loop(
    quirk: dict[str, Any], tmp_path: Path, steps: list[float]
) -> None:
    corpus = FakeConvAI(conversations=30).conversations
    largest = msgspec.json.decode(max(map(corpus.document, corpus), key=len))
    turns = [turn | quirk for turn in largest["transcript"]]
    copies = 10_000_000 // len(msgspec.json.encode(turns))
    document = largest | {"conversation_id": "conv_1", "status": "done", "transcript": turns * copies}
    service = tmp_path / "v1" / "convai" / "conversations"
    service.mkdir(parents=True)
    (service / "conv_1").write_bytes(msgspec.json.encode(document))
    line = {"conversation_id": "conv_1", "status": "done", "start_time_unix_secs": 1_700_000_000}
    (service / "index.html").write_bytes(msgspec.json.encode({"conversations": [line], "has_more": False}))
    with file_server(tmp_path) as url:
        async with ConvAIClient("key", base_url=url) as client:
            await client.conversations.list()
            steps.clear()
            conversation = await client.conversations.get("conv_1")
            assert len(conversation.transcript) == len(turns) * copies
            await asyncio.sleep(0)  # ends this step
            longest_of_get = max(steps)
            steps.clear()
            assert (await harvest(client, tmp_path / "calls.db")).fetched == 1
            await asyncio.sleep(0)
    print(f"the longest step of get {longest_of_get * 1000:.1f} ms, of a harvest {max(steps) * 1000:.1f} ms")
    assert longest_of_get < MAX_STEP_SECS
    assert max(steps) < MAX_STEP_SECS


async def test_long_step_is_detected(steps: list[float]) -> None:
    await asyncio.sleep(0)
    sum(range(10_000_000))
    await asyncio.sleep(0)
    assert max(steps) > MAX_STEP_SECS


async def do_everything(client: ConvAIClient, ids: list[str], has_audio: Callable[[str], bool], folder: Path) -> None:
    recorded = next(filter(has_audio, ids))
    assert len(await client.conversations.list().collect()) == len(ids)
    async with client.conversations.get_many(ids) as results:
        assert len([result async for result in results]) == len(ids)
    saved = await client.conversations.audio.download(recorded, folder / "a.mp3")
    await client.conversations.files.create(recorded, saved.path, filename="a.pdf")
    assert (await harvest(client, folder / "calls.db", audio=True)).complete
    assert (await harvest(client, folder / "calls.db", audio=True, prune="mark")).complete
