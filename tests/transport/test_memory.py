"""The memory that large responses share is limited, and every response gets its part."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from unmeasured import unmeasured
from virtual_time import in_virtual_time

from convai_async import ConvAIClient, endpoints
from convai_async._transport.memory import SMALL_BODY_BYTES, MemoryBudget
from convai_async.errors import RequestTimeoutError, ResponseTooLargeError
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

    from convai_async._transport.memory import Reservation

LARGEST_PEAK_MIB = 260
"""Measured: 200 with a budget, 340 without."""
MIB = 1024 * 1024
LARGE = b'{"conversation_id": "conv_1", "agent_id": "%s"}' % (b"x" * (3 * MIB))
FREE_COST = 4 * SMALL_BODY_BYTES


def test_small_bodies_are_not_counted() -> None:
    budget = MemoryBudget(1)
    assert all(budget.reserve().try_grow(SMALL_BODY_BYTES) for _ in range(10))
    assert budget.used == 0


def test_only_the_oldest_reservation_can_exceed_the_budget() -> None:
    budget = MemoryBudget(20 * MIB)
    oldest, other = budget.reserve(), budget.reserve()
    assert oldest.try_grow(2 * MIB)
    assert other.try_grow(3 * MIB)
    assert budget.used == 20 * MIB
    assert not other.try_grow(3 * MIB + 1)
    assert oldest.try_grow(100 * MIB)
    oldest.release()
    assert other.try_grow(100 * MIB)
    other.release()
    other.release()
    assert budget.used == 0


@given(
    st.lists(st.lists(st.integers(1, 40 * MIB), min_size=1, max_size=4), min_size=1, max_size=12),
    st.integers(0, 200 * MIB),
    st.randoms(use_true_random=False),
)
def test_every_reservation_gets_memory_and_only_the_oldest_exceeds_the_budget(
    bodies: list[list[int]], limit: int, rng: random.Random
) -> None:
    budget = MemoryBudget(limit)
    done = 0

    async def read(sizes: list[int]) -> None:
        nonlocal done
        with budget.reserve() as memory:
            for size in sorted(sizes):
                await memory.grow(size)
                held = list(budget._held.values())
                assert sum(held[1:]) <= limit, "the oldest may have grown before these, but they fit the budget"
                for _ in range(rng.randrange(3)):
                    await asyncio.sleep(0)
        done += 1

    async def run() -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*map(read, bodies))

    asyncio.run(run())
    assert done == len(bodies)
    assert budget.used == 0


async def test_cancelled_wait_for_memory_leaves_nothing_behind() -> None:
    budget = MemoryBudget(FREE_COST)
    oldest, other = budget.reserve(), budget.reserve()
    assert oldest.try_grow(2 * MIB)
    task = asyncio.create_task(other.grow(2 * MIB))
    await asyncio.sleep(0)
    task.cancel()
    oldest.release()
    await asyncio.wait([task])
    assert budget._waiters == set()
    other.release()
    assert budget.used == 0


@asynccontextmanager
async def large_service() -> AsyncIterator[FakeConvAI]:
    async def large(_request: Any, _proceed: Any) -> web.StreamResponse:
        return web.Response(body=LARGE, content_type="application/json")

    async with FakeConvAI(conversations=1) as fake:
        fake.faults.add(large, times=None)
        yield fake


@pytest.fixture
async def large_responses() -> AsyncIterator[FakeConvAI]:
    async with large_service() as fake:
        yield fake


async def test_large_responses_are_read_one_by_one_when_memory_is_low(large_responses: FakeConvAI) -> None:
    async with ConvAIClient(
        large_responses.api_key, base_url=large_responses.url, max_memory_bytes=1, timeout=20, retry=None
    ) as client:
        budget = client._engine.session.memory
        most = 0

        async def get() -> None:
            nonlocal most
            assert (await client.conversations.get("conv_1")).agent_id == "x" * (3 * MIB)
            most = max(most, budget.used)

        await asyncio.gather(*(get() for _ in range(8)))
        assert budget.used == 0
        assert most <= 4 * len(LARGE) + 7 * FREE_COST
        await client.send_raw(endpoints.get_conversation("conv_1"))
        assert budget.used == 0


@in_virtual_time
async def test_waiting_for_memory_does_not_count_towards_the_timeout() -> None:
    async with (
        large_service() as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, max_memory_bytes=1, timeout=1, retry=None) as client,
    ):
        holder = client._engine.session.memory.reserve()
        assert holder.try_grow(2 * MIB)
        task = asyncio.create_task(client.conversations.get("conv_1"))
        _, late = await asyncio.wait([task], timeout=60)
        assert late, "it waits, and is not given up"
        holder.release()
        assert (await task).conversation_id == "conv_1"


@in_virtual_time
async def test_timeout_continues_after_waiting_for_memory() -> None:
    async def stalls(request: web.Request, _proceed: Any) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": str(len(LARGE))})
        await response.prepare(request)
        await response.write(LARGE[: 2 * MIB])
        await asyncio.sleep(3600)
        return response

    async with FakeConvAI(conversations=1) as fake:
        fake.faults.add(stalls)
        async with ConvAIClient(fake.api_key, base_url=fake.url, max_memory_bytes=1, timeout=0.5, retry=None) as client:
            holder: Reservation = client._engine.session.memory.reserve()
            assert holder.try_grow(2 * MIB)
            task = asyncio.create_task(client.conversations.get("conv_1"))
            await asyncio.wait([task], timeout=60)
            holder.release()
            with pytest.raises(RequestTimeoutError):
                await task
            assert client._engine.session.memory.used == 0


async def test_failed_response_releases_its_memory(large_responses: FakeConvAI) -> None:
    async with ConvAIClient(
        large_responses.api_key, base_url=large_responses.url, max_response_bytes=2 * MIB, retry=None
    ) as client:
        memory = client._engine.session.memory.reserve()
        with pytest.raises(ResponseTooLargeError):
            await client._engine.send_raw(endpoints.get_conversation("conv_1"), memory=memory)
        assert client._engine.session.memory.used == 0


@pytest.mark.parametrize(("size", "refused"), [(15_000_000, False), (30_000_000, True)])
async def test_decompression_bomb_is_refused(size: int, refused: bool) -> None:
    packed = gzip.compress(b'{"conversation_id": "conv_1"' + b" " * size + b"}")

    async def bomb(_request: Any, _proceed: Any) -> web.StreamResponse:
        return web.Response(body=packed, headers={"content-encoding": "gzip", "content-type": "application/json"})

    async with FakeConvAI(conversations=1) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        fake.faults.add(bomb)
        if not refused:
            assert (await client.conversations.get("conv_1")).conversation_id == "conv_1"
            return
        with pytest.raises(ResponseTooLargeError, match="decompression bomb") as caught:
            await client.conversations.get("conv_1")
    assert not caught.value.retryable


@pytest.mark.slow
def test_harvest_of_many_large_responses_stays_within_its_memory() -> None:
    """`MEMORY_ATTACK="32 120 512"` runs it in full."""
    script = Path(__file__).parents[1] / "support/memory_attack.py"
    size = os.environ.get("MEMORY_ATTACK", "12 10 32").split()
    command = [sys.executable, str(script), *size]
    peak = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=unmeasured()).stdout)
    print(f"peak {peak} MiB")
    assert peak < (1024 if "MEMORY_ATTACK" in os.environ else LARGEST_PEAK_MIB)
