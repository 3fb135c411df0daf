"""Cancellation at any step of the event loop releases all resources, and the client can still be used.

``-rP`` prints the number of steps.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest
from every_endpoint import EXAMPLES, Existing, create_existing
from service_process import ServiceProcess, service_process

from convai_async import ConvAIClient
from convai_async.harvest import harvest
from convai_async.testing.plans import AGENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class SteppingLoop(asyncio.SelectorEventLoop):
    """An event loop that calls a function before one of its next steps."""

    _countdown: int | None = None

    def call_before_step(self, number: int, function: Callable[[], object]) -> None:
        self._countdown, self._function = number, function

    def _run_once(self) -> None:
        if self._countdown is not None:
            self._countdown -= 1
            if self._countdown == 0:
                self._function()
        super()._run_once()  # type: ignore[misc]


class Operations:
    """The operations to cancel, with a client, its service and a folder for files."""

    def __init__(self, service: ServiceProcess, client: ConvAIClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.ids = list(service.conversations)[:6]
        self.recorded = next(filter(service.conversations.has_audio, service.conversations))
        self.agent_id = AGENTS[0][0]

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

    async def live(self) -> None:
        async with self.client.conversations.connect(self.agent_id, tools={}) as live:
            await live.ask("Hi")
            await live.send_audio(bytes(320), paced=True)
            async with self.client.conversations.monitor(live.conversation_id) as watching:
                await anext(watching)

    async def harvest(self) -> None:
        await harvest(self.client, self.folder / "calls.db", limit=5, audio=True)


@pytest.fixture(scope="module")
def service() -> Iterator[ServiceProcess]:
    with service_process(conversations=20, audio_bytes=300_000) as running:
        yield running


@pytest.fixture(scope="module")
def large_service() -> Iterator[ServiceProcess]:
    """Has a conversation to delete for every step."""
    with service_process(conversations=200) as running:
        yield running


def count_descriptors() -> int:
    return psutil.Process().num_fds()


async def wait_for_closed_transports(expected: int) -> int:
    """Return the number of open descriptors after closed transports had time to release theirs."""
    for _ in range(10):
        if count_descriptors() <= expected:
            break
        await asyncio.sleep(0)
    return count_descriptors()


async def cancel_at(step: int, name: str, service: ServiceProcess, folder: Path) -> bool:
    """Cancel an operation at this step, check that nothing is left, and return whether it had finished before."""
    before = count_descriptors()
    existing = Existing()
    if name in EXAMPLES:
        async with ConvAIClient(service.api_key, base_url=service.url) as client:
            number = 1 + step if name == "delete_conversation" else 0
            existing = await create_existing(client, service.conversations, number)
        before = max(before, await wait_for_closed_transports(before))
    async with ConvAIClient(service.api_key, base_url=service.url, max_concurrency=4) as client:
        operations = Operations(service, client, folder)
        operation = EXAMPLES[name](client, existing) if name in EXAMPLES else getattr(operations, name)()
        task = asyncio.ensure_future(operation)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppingLoop)
        loop.call_before_step(step, task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert client._engine.limiter.in_flight == 0
        session = client._engine.session._session
        assert session is None or session.connector is None or not session.connector._acquired
        await operations.get()
    assert await wait_for_closed_transports(before) <= before
    return not task.cancelled()


def check_files(folder: Path) -> None:
    """Check that there are complete files and no temporary ones."""
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
    "name",
    [
        *("get", "list_all", "prefetch", "get_many", "stream", "download", "upload", "watch", "live"),
        pytest.param("harvest", marks=pytest.mark.slow),
    ],
)
def test_cancellation_at_any_step_releases_everything(name: str, service: ServiceProcess, tmp_path: Path) -> None:
    cancel_at_every_step(name, service, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_cancellation_of_an_endpoint_at_any_step_releases_everything(
    name: str, large_service: ServiceProcess, tmp_path: Path
) -> None:
    cancel_at_every_step(name, large_service, tmp_path)


def cancel_at_every_step(name: str, service: ServiceProcess, folder: Path) -> None:
    async def count_steps() -> int:
        await cancel_at(0, name, service, folder)  # starts the threads that stay
        step = 1
        while True:
            files = folder / str(step)
            files.mkdir()
            if await cancel_at(step, name, service, files):
                return step
            check_files(files)
            step += 1

    with asyncio.Runner(loop_factory=SteppingLoop) as runner:
        steps = runner.run(count_steps())
    assert steps > 4
    print(f"{name}: cancelled at {steps} steps")
