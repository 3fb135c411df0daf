"""Responses that are too slow or too large, and a client that is closed."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from convai_async import ConvAIClient, RetryPolicy
from convai_async.errors import (
    ClientClosedError,
    RequestTimeoutError,
    ResponseTooLargeError,
)
from convai_async.testing import FakeConvAI, faults

ONCE = RetryPolicy(attempts=1)


async def test_slow_response_times_out(fake: FakeConvAI) -> None:
    fake.faults.add(faults.latency(60), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=ONCE, timeout=0.05) as client:
        with pytest.raises(RequestTimeoutError, match="no complete response within the timeout") as caught:
            await client.conversations.list()
    assert caught.value.ambiguous


async def test_slow_body_times_out(fake: FakeConvAI) -> None:
    fake.faults.add(faults.slow_body(chunk=10, pause=0.02), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=ONCE, timeout=0.1) as client:
        with pytest.raises(RequestTimeoutError):
            await client.conversations.list()


async def test_closing_the_client_during_name_resolution_raises_client_closed(fake: FakeConvAI) -> None:
    class NeverResolves(aiohttp.abc.AbstractResolver):
        looking = asyncio.Event()

        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
            self.looking.set()
            await asyncio.Event().wait()

        async def close(self) -> None:
            pass

    resolver = NeverResolves()
    connector = aiohttp.TCPConnector(resolver=resolver)
    client = ConvAIClient("key", base_url="http://nowhere.example", connector=connector, retry=None)
    task = asyncio.create_task(client.conversations.get("conv_1"))
    await resolver.looking.wait()
    await client.close()
    await connector.close()
    with pytest.raises(ClientClosedError):
        await task
    assert task.cancelling() == 0


async def test_response_over_max_response_bytes_raises(fake: FakeConvAI) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_response_bytes=1000, max_concurrency=1) as client:
        with pytest.raises(ResponseTooLargeError, match="larger than max_response_bytes, 1,000") as caught:
            await client.conversations.list()
        assert not caught.value.retryable
        assert len(fake.requests) == 1
        assert len(await client.conversations.list(page_size=1)) == 1


async def test_decompressed_response_over_max_response_bytes_raises(fake: FakeConvAI) -> None:
    async def bomb(_request: Any, _proceed: Any) -> web.StreamResponse:
        packed = gzip.compress(b" " * 50_000_000)
        return web.Response(body=packed, headers={"content-encoding": "gzip", "content-type": "application/json"})

    fake.faults.add(bomb)
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_response_bytes=1_000_000) as client:
        with pytest.raises(ResponseTooLargeError):
            await client.conversations.list()
