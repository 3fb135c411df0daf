"""Requests that wait for a slot of the limiter, and the limit itself."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from conftest import AT_ONCE
from virtual_time import in_virtual_time, now

from convai_async import ConvAIClient, RetryPolicy, endpoints
from convai_async._transport.status_errors import parse_concurrency_limit
from convai_async.errors import (
    ConvAIError,
    RequestTimeoutError,
)
from convai_async.testing import FakeConvAI, faults


@in_virtual_time
async def test_requests_without_a_slot_fail_within_their_timeout() -> None:
    durations: list[float] = []

    async def ask(client: ConvAIClient) -> ConvAIError:
        asked = now()
        with pytest.raises(RequestTimeoutError) as caught:
            await client.conversations.list()
        durations.append(now() - asked)
        return caught.value

    async with FakeConvAI(conversations=2) as fake:
        fake.faults.add(faults.latency(600), times=None)
        async with ConvAIClient(fake.api_key, base_url=fake.url, timeout=0.5, retry=None) as client:
            errors = await asyncio.gather(*(ask(client) for _ in range(400)))
    assert min(durations) >= 0.49
    assert max(durations) < 3
    unsent = [error for error in errors if "was not sent" in str(error)]
    assert len(unsent) >= 300
    assert re.search(
        r"GET /v1/convai/conversations was not sent: it waited 0\.[5-9] s for one of 8 slots", str(unsent[-1])
    )
    assert not unsent[-1].ambiguous  # type: ignore[attr-defined]
    assert {error.attempts for error in unsent} == {0}
    assert len(fake.requests) <= len(errors) - len(unsent)


async def test_waiting_for_a_slot_counts_towards_the_timeout_without_retry(client: ConvAIClient) -> None:
    engine = client.with_options(retry=None, timeout=30)._engine
    timeouts: list[float | None] = []
    send = engine.session.send

    async def noted(call: Any, timeout: float | None, memory: Any) -> Any:
        timeouts.append(timeout)
        return await send(call, 30, memory)

    engine.session.send = noted  # type: ignore[method-assign, assignment]
    time = 0.0
    engine.clock = lambda: time
    for options in ({}, {"priority": "bulk"}, {"retry": RetryPolicy()}, {"timeout": None}):
        slots = [await engine.limiter.acquire() for _ in range(engine.limiter.limit)]
        task = asyncio.create_task(engine.with_options(**options).send(endpoints.list_conversations(page_size=1)))
        await asyncio.sleep(0)
        time += 12.0
        for slot in slots:
            engine.limiter.release(slot)
        await task
    assert timeouts == [18.0, 30.0, 30, None]


async def test_request_whose_time_is_used_up_times_out(client: ConvAIClient) -> None:
    engine = client.with_options(retry=None, timeout=30)._engine
    seconds = iter([0.0, 100.0])
    engine.clock = lambda: next(seconds)
    with pytest.raises(RequestTimeoutError, match="within the timeout") as caught:
        await engine.send(endpoints.list_conversations(page_size=1))
    assert caught.value.attempts == 1


async def test_request_that_gets_a_slot_after_its_timeout_is_not_sent(client: ConvAIClient, fake: FakeConvAI) -> None:
    engine = client.with_options(retry=None, timeout=30)._engine
    time = 0.0
    engine.clock = lambda: time
    slots = [await engine.limiter.acquire() for _ in range(engine.limiter.limit)]
    task = asyncio.create_task(engine.send(endpoints.list_conversations()))
    await asyncio.sleep(0)
    time += 31.0
    for slot in slots:
        engine.limiter.release(slot)
    with pytest.raises(RequestTimeoutError, match=r"was not sent: it waited 31\.0 s"):
        await task
    assert engine.limiter.in_flight == 0
    assert fake.requests == []


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({"timeout": 0.01, "retry": None}, True),
        ({"timeout": None, "retry": None}, False),
        ({"timeout": 60, "retry": RetryPolicy(timeout=0.01)}, True),
        ({"timeout": 0.01, "retry": RetryPolicy(timeout=60)}, False),
        ({"timeout": 0.01, "retry": RetryPolicy(timeout=None)}, False),
        ({"timeout": 0.01, "retry": None, "priority": "bulk"}, False),
        ({"timeout": 60, "retry": RetryPolicy(timeout=0.01), "priority": "bulk"}, False),
    ],
)
async def test_waiting_for_a_slot_is_limited_by_the_retry_timeout_or_the_timeout(
    client: ConvAIClient, options: dict[str, Any], ends: bool
) -> None:
    limiter = client._engine.limiter
    slots = [await limiter.acquire() for _ in range(limiter.limit)]
    task = asyncio.create_task(client.with_options(**options).conversations.audio.stream("conv_1").__aenter__())
    await asyncio.wait([task], timeout=5 if ends else 0.05)
    assert task.done() is ends
    task.cancel()
    with pytest.raises(RequestTimeoutError if ends else asyncio.CancelledError):
        await task
    for slot in slots:
        limiter.release(slot)
    assert limiter.in_flight == 0


async def test_bulk_request_waiting_for_a_slot_does_not_use_its_retry_timeout(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    engine = client._engine.with_options(priority="bulk", retry=RetryPolicy(timeout=10, wait_initial=0))
    time = 0.0
    engine.clock = lambda: time
    slots = [await engine.limiter.acquire() for _ in range(engine.limiter.limit)]
    fake.faults.add(faults.status(503))
    task = asyncio.create_task(engine.send(endpoints.list_conversations(page_size=1)))
    await asyncio.sleep(0)
    time += 1000.0
    for slot in slots:
        engine.limiter.release(slot)
    assert len(await task) == 1


async def test_interactive_request_is_sent_before_those_of_get_many(fake: FakeConvAI) -> None:
    ids = list(fake.conversations)[:40]
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1) as client:
        slot = await client._engine.limiter.acquire()
        async with client.conversations.get_many(ids, max_concurrency=20) as results:
            await asyncio.sleep(0.01)
            interactive = asyncio.create_task(client.conversations.list(page_size=1).collect(max_items=1))
            await asyncio.sleep(0.01)
            client._engine.limiter.release(slot)
            await interactive
            assert fake.requests[0].operation == "list_conversations"
            assert [result.error async for result in results] == [None] * 40


async def test_interactive_request_is_sent_before_those_of_delete_many(fake: FakeConvAI) -> None:
    ids = list(fake.conversations)[:5]
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1) as client:
        slot = await client._engine.limiter.acquire()
        async with client.conversations.delete_many(ids) as results:
            await asyncio.sleep(0.01)
            interactive = asyncio.create_task(client.conversations.list(page_size=1).collect(max_items=1))
            await asyncio.sleep(0.01)
            client._engine.limiter.release(slot)
            await interactive
            assert fake.requests[0].operation == "list_conversations"
            assert [result.error async for result in results] == [None] * 5


async def test_limit_grows_while_requests_succeed(fake: FakeConvAI) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        await asyncio.gather(*(client.conversations.list(page_size=1).collect() for _ in range(1)))
        async with client.conversations.get_many(fake.conversations, max_concurrency=100) as results:
            assert [result.error async for result in results] == [None] * 250
        assert client.concurrency == 64


async def test_limit_in_a_rejection_is_used(fake: FakeConvAI) -> None:
    refusal = faults.status(429, "concurrent_limit_exceeded", headers={"maximum-concurrent-requests": "5"})
    fake.faults.add(refusal)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=AT_ONCE) as client:
        await client.conversations.list(page_size=1)
        assert client.concurrency == 5


@pytest.mark.parametrize("text", ["", "0", "many", "-3", "1e3", "9" * 400])
def test_invalid_limit_in_a_rejection_is_ignored(text: str) -> None:
    assert parse_concurrency_limit({"maximum-concurrent-requests": text}) is None


async def test_cancelled_request_releases_its_slot(fake: FakeConvAI) -> None:
    fake.faults.add(faults.latency(60))
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1) as client:
        task = asyncio.ensure_future(client.conversations.list())
        while not fake.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await client.conversations.list(page_size=1)) == 1


async def test_concurrency_limit_of_the_service_is_found_and_kept() -> None:
    async with FakeConvAI(conversations=300, concurrency_limit=4, latency=0.002) as fake:
        retry = RetryPolicy(attempts=10, wait_initial=0.01, wait_max=0.1)
        async with ConvAIClient(fake.api_key, base_url=fake.url, retry=retry) as client:
            async with client.conversations.get_many(list(fake.conversations), max_concurrency=50) as results:
                errors = [result.error async for result in results]
            assert errors == [None] * 300
            assert client._engine.limiter.limit <= 8
    assert fake.peak_in_flight <= 4
