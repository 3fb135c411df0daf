"""What the documentation's examples need: the service at its address, a key, an archive."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from documentation import EXAMPLES

import convai_async._configuration
from convai_async import ConvAIClient
from convai_async.archive import Archive
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


async def serve_documented_ids(service: FakeConvAI) -> None:
    """Add the conversation and the agent that the examples name."""
    service.add(
        "conv_1",
        agent_id="agent_1",
        transcript=[("agent", "Hello!"), ("user", "I want a refund."), ("user", "Now.")],
        start=4_000_000_000,
        analysis={"transcript_summary": "Ann wants a refund."},
    )
    service.add("conv_2", agent_id="agent_1")


@pytest.fixture
async def service() -> AsyncIterator[FakeConvAI]:
    """A service that has what the examples name."""
    async with FakeConvAI(conversations=30) as fake:
        await serve_documented_ids(fake)
        yield fake


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "xi-fake-key")
    monkeypatch.setenv("ELEVENLABS_WEBHOOK_SECRET", "wsec_1")


@pytest.fixture
def at_home(fake: FakeConvAI, key: None, monkeypatch: pytest.MonkeyPatch) -> FakeConvAI:
    """The fake service where the examples expect the real one."""
    monkeypatch.setitem(convai_async._configuration._HOSTS, "global", fake.url)
    return fake


@pytest.fixture
def served(service: FakeConvAI, key: None, monkeypatch: pytest.MonkeyPatch) -> FakeConvAI:
    """The service with the documented ids where the examples expect the real one; its archive is in the folder."""
    monkeypatch.setitem(convai_async._configuration._HOSTS, "global", service.url)
    monkeypatch.setattr(ConvAIClient, "base_url", "https://api.elevenlabs.io")
    return service


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def harvested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an archive of the sandbox, and its export to Parquet."""
    folder = tmp_path_factory.mktemp("harvested")

    async def fill() -> None:
        async with FakeConvAI(conversations=100) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
            await serve_documented_ids(fake)
            await harvest(client, folder / "calls.db", source="https://api.elevenlabs.io")

    asyncio.run(fill())
    with Archive.open(folder / "calls.db") as archive:
        archive.export(folder / "calls.parquet")
    return folder


@pytest.fixture
def archive_here(harvested: Path, tmp_path: Path, in_tmp_path: None) -> Path:
    """The working folder, with a copy of the archive and of the export."""
    for path in harvested.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def load(key: None) -> Callable[[str], dict[str, Any]]:
    """Load an example; skip the test when a package that it needs is not installed."""

    def load_example(name: str) -> dict[str, Any]:
        missing = EXAMPLES[name].missing_package()
        if missing is not None:
            pytest.skip(f"{missing} is not installed")
        return EXAMPLES[name].load()

    return load_example


@pytest.fixture(autouse=True)
def logging_level() -> Iterator[None]:
    logger = logging.getLogger("convai_async")
    before = logger.level
    yield
    logger.setLevel(before)
