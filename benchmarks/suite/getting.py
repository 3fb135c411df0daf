"""Benchmarks of fetching conversations, 32 requests at once."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks.benchmark import Benchmark, Context, Implementation
from benchmarks.clients import CLIENTS, IN_FLIGHT, OURS, Client, Get
from benchmarks.documents import conversation_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

_WARM_UP_SECS = 0.5
_TICK_SECS = 0.001
_MIN_SAMPLES = 2


async def fetch_for(get: Get, seconds: float) -> int:
    """Fetch conversations for some seconds, and return how many."""
    numbers = itertools.count()
    end = time.perf_counter() + seconds
    count = 0

    async def work() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await get(conversation_id(next(numbers)))
            count += 1

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return count


def measure_throughput(client: Client) -> Callable[[Context], Coroutine[Any, Any, float]]:
    """Return an implementation that measures fetched conversations per second."""

    async def measure(context: Context) -> float:
        async with client(context.url) as get:
            await fetch_for(get, _WARM_UP_SECS)
            began = time.perf_counter()
            count = await fetch_for(get, context.seconds)
            return count / (time.perf_counter() - began)

    return measure


def measure_lag(client: Client, statistic: Callable[[list[float]], float]) -> Implementation:
    """Return an implementation that measures the event loop's delay in milliseconds during requests."""

    async def measure(context: Context) -> float:
        async with client(context.url) as get:
            await fetch_for(get, _WARM_UP_SECS)
            async with _sample_lag() as lags:
                while len(lags) < _MIN_SAMPLES:  # a busy machine gives few samples in a short time
                    await fetch_for(get, context.seconds)
        return statistic(lags) * 1000

    return measure


@asynccontextmanager
async def _sample_lag() -> AsyncIterator[list[float]]:
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_TICK_SECS)
            lags.append(time.perf_counter() - before - _TICK_SECS)

    task = asyncio.create_task(watch())
    try:
        yield lags
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _compute_99th_percentile(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[-1]


def run_on_uvloop(implementation: Callable[[Context], Coroutine[Any, Any, float]]) -> Implementation:
    """Return an implementation that runs on uvloop."""
    return lambda context: uvloop.run(implementation(context))


THROUGHPUT = Benchmark(
    title=f"Conversations fetched per second, {IN_FLIGHT} requests at once",
    unit="/s",
    more_is_better=True,
    implementations={
        **{name: measure_throughput(client) for name, client in CLIENTS.items()},
        f"{OURS} on uvloop": run_on_uvloop(measure_throughput(CLIENTS[OURS])),
    },
    rounds=9,
)


def _build_lag_benchmark(
    title: str, statistic: Callable[[list[float]], float], response_delay_secs: float
) -> Benchmark:
    implementations = {name: measure_lag(client, statistic) for name, client in CLIENTS.items()}
    return Benchmark(
        title=title, unit="ms", implementations=implementations, rounds=3, response_delay_secs=response_delay_secs
    )


LAG = _build_lag_benchmark(
    f"Event loop delay with {IN_FLIGHT} requests at once of 100 ms each, 99th percentile",
    _compute_99th_percentile,
    0.1,
)
LONGEST_LAG = _build_lag_benchmark(
    f"Event loop delay with {IN_FLIGHT} requests at once of 100 ms each, maximum", max, 0.1
)
BUSY_LAG = _build_lag_benchmark(
    f"Event loop delay with {IN_FLIGHT} requests at once and immediate responses, 99th percentile",
    _compute_99th_percentile,
    0.0,
)
