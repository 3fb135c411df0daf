"""Benchmarks of a harvest, including the database."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.benchmark import Benchmark, Context, Implementation
from benchmarks.clients import CLIENTS, FLOOR, IN_FLIGHT, KEY
from benchmarks.documents import conversation_id, start_time_of
from convai_async import ConvAIClient
from convai_async.harvest import harvest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CONVERSATIONS = 10_000
_SIZES = (1_000, 5_000, 25_000)


def _measure_cpu_time(count: int, work: Callable[[Context, int], Awaitable[None]]) -> Implementation:
    async def measure(context: Context) -> float:
        began = time.process_time()
        await work(context, count)
        return (time.process_time() - began) / count * 1e6

    return measure


async def _harvest(context: Context, count: int) -> None:
    async with ConvAIClient(KEY, base_url=context.url) as client:
        since = datetime.fromtimestamp(start_time_of(count - 1), UTC)
        report = await harvest(client, context.folder / "calls.db", since=since)
    if report.fetched != count:
        raise ValueError(f"fetched {report.fetched} conversations, expected {count}")


async def _fetch_and_decode(context: Context, count: int) -> None:
    numbers = iter(range(count))
    async with CLIENTS[FLOOR](context.url) as get:

        async def work() -> None:
            for number in numbers:
                await get(conversation_id(number))

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


CPU = Benchmark(
    title="CPU time to harvest a conversation, including the database",
    unit="µs",
    implementations={
        "harvest": _measure_cpu_time(_CONVERSATIONS, _harvest),
        FLOOR: _measure_cpu_time(_CONVERSATIONS, _fetch_and_decode),
    },
    rounds=3,
)
GROWTH = Benchmark(
    title="CPU time to harvest a conversation, by the number of conversations",
    unit="µs",
    implementations={f"{count:,} conversations": _measure_cpu_time(count, _harvest) for count in _SIZES},
    rounds=2,
)
