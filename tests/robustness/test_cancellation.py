"""Cancelled at any step of the event loop, everything gives back what it holds, and the client goes on.

With ``-rP`` it says how many steps there were.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest
from service_process import ServiceProcess, service_process

from convai_async import ConvAIClient
from convai_async.harvest import harvest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class SteppingLoop(asyncio.SelectorEventLoop):
    """An event loop that can be told what to do before one of its next steps."""

    _countdown: int | None = None

    def before_step(self, number: int, act: Callable[[], object]) -> None:
        self._countdown, self._act = number, act

    def _run_once(self) -> None:
        if self._countdown is not None:
            self._countdown -= 1
            if self._countdown == 0:
                self._act()
        super()._run_once()  # type: ignore[misc]


class World:
    """A client, the service that it talks to, and a folder for what it saves."""

    def __init__(self, service: ServiceProcess, client: ConvAIClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.ids = list(service.conversations)[:6]
        self.recorded = next(filter(service.conversations.has_audio, service.conversations))

    async def get(self) -> None:
        await self.client.conversations.get(self.ids[0])

    async def list_all(self) -> None:
        assert len(await self.client.conversations.list(page_size=5).collect()) == 20

    async def prefetch(self) -> None:
        async with self.client.conversations.list(page_size=5).prefetch() as summaries:
            async for _ in summaries:
                pass

    async def get_many(self) -> None:
        async with self.client.conversations.get_many(self.ids, max_concurrency=3) as results:
            async for _ in results:
                pass

    async def stream(self) -> None:
        async with self.client.conversations.audio.stream(self.recorded) as recording:
            async for _ in recording:
                pass

    async def download(self) -> None:
        await self.client.conversations.audio.download(self.recorded, self.folder / "call.mp3", overwrite=True)

    async def upload(self) -> None:
        await self.client.conversations.files.create(self.ids[0], b"%PDF-1.7", filename="a.pdf")

    async def watch(self) -> None:
        async with self.client.conversations.watch(since=0) as new:
            await anext(new)

    async def harvest(self) -> None:
        await harvest(self.client, self.folder / "calls.db", limit=5, audio=True)


@pytest.fixture(scope="module")
def service() -> Iterator[ServiceProcess]:
    with service_process(conversations=20, audio_bytes=300_000) as running:
        yield running


def descriptors() -> int:
    return psutil.Process().num_fds()


async def settled(expected: int) -> int:
    """How many descriptors are open when the transports that were closed have had their turn."""
    for _ in range(10):
        if descriptors() <= expected:
            break
        await asyncio.sleep(0)
    return descriptors()


async def cancelled_at(step: int, act: str, service: ServiceProcess, folder: Path) -> bool:
    """Cancel at this step, check what is left, and tell whether it had come to its end before."""
    before = descriptors()
    async with ConvAIClient(service.api_key, base_url=service.url, max_concurrency=4) as client:
        task = asyncio.ensure_future(getattr(World(service, client, folder), act)())
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppingLoop)
        loop.before_step(step, task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert client._engine.limiter.in_flight == 0
        session = client._engine.session._session
        assert session is None or session.connector is None or not session.connector._acquired
        await World(service, client, folder).get()
    assert await settled(before) <= before
    return not task.cancelled()


def check_files(folder: Path) -> None:
    """There are whole files, and none of those that are only there while something is under way."""
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".db", ".lock", ".mp3"}
    assert all(path.stat().st_size == 300_000 for path in folder.rglob("*.mp3"))
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as archive:
            assert archive.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            if archive.execute("SELECT 1 FROM sqlite_schema WHERE name = 'turns'").fetchall():
                turns = dict(archive.execute("SELECT conversation_id, count(*) FROM turns GROUP BY 1"))
                for conversation_id, raw in archive.execute("SELECT conversation_id, raw FROM conversations"):
                    assert turns.get(conversation_id, 0) == len(json.loads(raw)["transcript"])


@pytest.mark.parametrize(
    "act", ["get", "list_all", "prefetch", "get_many", "stream", "download", "upload", "watch", "harvest"]
)
def test_cancelled_at_any_step_it_gives_back_what_it_held(act: str, service: ServiceProcess, tmp_path: Path) -> None:
    async def all_of_them() -> int:
        await cancelled_at(0, act, service, tmp_path)  # starts the threads that stay
        step = 1
        while True:
            folder = tmp_path / str(step)
            folder.mkdir()
            if await cancelled_at(step, act, service, folder):
                return step
            check_files(folder)
            step += 1

    with asyncio.Runner(loop_factory=SteppingLoop) as runner:
        steps = runner.run(all_of_them())
    assert steps > 4
    print(f"{act}: cancelled at {steps} steps")
