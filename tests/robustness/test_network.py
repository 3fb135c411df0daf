"""Through a bad network come right results, or one of our errors in time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from tcp_proxy import TCPProxy, Weather
from world import OPERATIONS, World

from convai_async import ConvAIClient, RetryPolicy
from convai_async.errors import ConnectionFailedError, ConvAIError, IncompleteBodyError, RequestTimeoutError
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECONDS_AN_OPERATION = 30
PATIENT = RetryPolicy(attempts=100, timeout=None, wait_initial=0, wait_max=0)


class Environment:
    """A service, a bad network before it, and a client behind that."""

    def __init__(self, proxy: TCPProxy, client: ConvAIClient, world: World) -> None:
        self.proxy = proxy
        self.client = client
        self.world = world


@asynccontextmanager
async def run_environment(
    folder: Path, *, timeout: float = 5, retry: RetryPolicy | None = PATIENT, seed: int = 0
) -> AsyncIterator[Environment]:
    async with FakeConvAI(conversations=20, audio_bytes=150_000) as fake:
        port = urlsplit(fake.url).port
        assert port is not None
        async with (
            TCPProxy(port, seed) as proxy,
            ConvAIClient(fake.api_key, base_url=proxy.url, timeout=timeout, retry=retry) as client,
        ):
            world = World(fake.conversations, client, folder)
            await world.load_recording()
            yield Environment(proxy, client, world)


@pytest.mark.parametrize(
    "weather",
    [
        Weather(latency=0.005, jitter=0.02),
        Weather(bandwidth=20_000_000),
        Weather(piece=1_000),
        Weather(latency=0.001, jitter=0.005, bandwidth=50_000_000, piece=8_000),
    ],
    ids=["far away", "narrow", "in pieces", "all of it"],
)
async def test_slow_network_gives_the_same_results(weather: Weather, tmp_path: Path) -> None:
    async with run_environment(tmp_path) as environment, asyncio.timeout(120):
        environment.proxy.weather = weather
        await environment.proxy.close()  # connections that were opened before
        await environment.proxy.reopen()
        for operation in OPERATIONS:
            await getattr(environment.world, operation)()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "weather",
    [
        Weather(reset_after=300_000),
        Weather(close_after=300_000),
        Weather(reset_after=200_000, jitter=0.002, piece=8_000),
    ],
    ids=["resets", "closes", "resets and jitter"],
)
async def test_broken_connections_are_retried(weather: Weather, seed: int, tmp_path: Path) -> None:
    async with run_environment(tmp_path, seed=seed) as environment:
        environment.proxy.weather = weather
        await environment.proxy.close()
        await environment.proxy.reopen()
        for operation in OPERATIONS:
            try:
                async with asyncio.timeout(SECONDS_AN_OPERATION):
                    await getattr(environment.world, operation)()
            except IncompleteBodyError:
                assert operation == "stream", "bytes that were handed on cannot be repeated"
        assert environment.proxy.broken > 0
        print(f"{environment.proxy.broken} of {environment.proxy.connections} connections broke")


@pytest.mark.parametrize("after", [0, 20, 2_000])
async def test_network_that_drops_all_packets_is_a_timeout(after: int, tmp_path: Path) -> None:
    async with run_environment(tmp_path, timeout=0.2, retry=None) as environment:
        environment.proxy.weather = Weather(black_hole_after=after)
        await environment.proxy.close()
        await environment.proxy.reopen()
        for operation in ("list", "prefetch", "get_raw", "get_many", "stream", "download"):
            async with asyncio.timeout(SECONDS_AN_OPERATION):
                with pytest.raises(RequestTimeoutError, match=r"within the timeout"):
                    await getattr(environment.world, operation)()


async def test_client_works_again_after_network_returns(tmp_path: Path) -> None:
    async with run_environment(tmp_path, retry=None) as environment:
        await environment.proxy.close()
        with pytest.raises(ConvAIError) as lost:
            await environment.world.get_raw()
        assert isinstance(lost.value, ConnectionFailedError)
        with pytest.raises(ConnectionFailedError, match="no connection"):
            await environment.world.get_raw()
        await environment.proxy.reopen()
        for operation in OPERATIONS:
            await getattr(environment.world, operation)()


async def test_dead_pooled_connections_are_retried(tmp_path: Path) -> None:
    async with run_environment(tmp_path, retry=RetryPolicy(attempts=2, wait_initial=0)) as environment:
        await environment.world.get_many()
        await environment.proxy.close()
        await environment.proxy.reopen()
        await environment.world.get_raw()
