"""Getting conversations, as many at a time as a service would allow."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks.clients import CLIENTS, IN_FLIGHT, OURS, Client, Get
from benchmarks.documents import conversation_id
from benchmarks.question import Contender, Question, Setting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

_WARM_UP_SECONDS = 0.5
_TICK = 0.001
_FEWEST_LAGS = 2


async def keep_getting(get: Get, seconds: float) -> int:
    """Get conversations for some seconds, and return how many."""
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


def conversations_a_second(client: Client) -> Callable[[Setting], Coroutine[Any, Any, float]]:
    """Return the contender that gets as many conversations as it can."""

    async def measure(setting: Setting) -> float:
        async with client(setting.url) as get:
            await keep_getting(get, _WARM_UP_SECONDS)
            began = time.perf_counter()
            count = await keep_getting(get, setting.seconds)
            return count / (time.perf_counter() - began)

    return measure


def lag(client: Client, of: Callable[[list[float]], float]) -> Contender:
    """Return the contender whose event loop is watched while it gets conversations; in milliseconds."""

    async def measure(setting: Setting) -> float:
        async with client(setting.url) as get:
            await keep_getting(get, _WARM_UP_SECONDS)
            async with _watched_loop() as lags:
                while len(lags) < _FEWEST_LAGS:  # a busy machine has few ticks in a short time
                    await keep_getting(get, setting.seconds)
        return of(lags) * 1000

    return measure


@asynccontextmanager
async def _watched_loop() -> AsyncIterator[list[float]]:
    lags: list[float] = []

    async def watch() -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(_TICK)
            lags.append(time.perf_counter() - asked - _TICK)

    task = asyncio.create_task(watch())
    try:
        yield lags
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _99th_percentile(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[-1]


def on_uvloop(contender: Callable[[Setting], Coroutine[Any, Any, float]]) -> Contender:
    """Return the same contender on uvloop."""
    return lambda setting: uvloop.run(contender(setting))


THROUGHPUT = Question(
    asks=f"Conversations got a second, {IN_FLIGHT} in flight",
    unit="/s",
    more_is_better=True,
    contenders={
        **{name: conversations_a_second(client) for name, client in CLIENTS.items()},
        f"{OURS} on uvloop": on_uvloop(conversations_a_second(CLIENTS[OURS])),
    },
    rounds=9,
)


def _lag_question(asks: str, of: Callable[[list[float]], float], seconds_a_reply: float) -> Question:
    contenders = {name: lag(client, of) for name, client in CLIENTS.items()}
    return Question(asks=asks, unit="ms", contenders=contenders, rounds=3, seconds_a_reply=seconds_a_reply)


LAG = _lag_question(
    f"How late the event loop is while {IN_FLIGHT} are in flight for 100 ms each, 99th percentile",
    _99th_percentile,
    0.1,
)
LONGEST_LAG = _lag_question(
    f"How late the event loop is while {IN_FLIGHT} are in flight for 100 ms each, at worst", max, 0.1
)
BUSY_LAG = _lag_question(
    f"How late the event loop is while {IN_FLIGHT} are in flight and answered at once, 99th percentile",
    _99th_percentile,
    0.0,
)
