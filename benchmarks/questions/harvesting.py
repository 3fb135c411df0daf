"""Harvesting, database included."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.clients import CLIENTS, FLOOR, IN_FLIGHT, KEY
from benchmarks.documents import conversation_id, start_of
from benchmarks.question import Contender, Question, Setting
from convai_async import ConvAIClient
from convai_async.harvest import harvest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CONVERSATIONS = 10_000
_SIZES = (1_000, 5_000, 25_000)


def _microseconds_of_cpu(count: int, work: Callable[[Setting, int], Awaitable[None]]) -> Contender:
    async def measure(setting: Setting) -> float:
        began = time.process_time()
        await work(setting, count)
        return (time.process_time() - began) / count * 1e6

    return measure


async def _harvest(setting: Setting, count: int) -> None:
    async with ConvAIClient(KEY, base_url=setting.url) as client:
        since = datetime.fromtimestamp(start_of(count - 1), UTC)
        report = await harvest(client, setting.folder / "calls.db", since=since)
    if report.fetched != count:
        raise ValueError(f"{report.fetched} conversations of {count}")


async def _read_and_decode(setting: Setting, count: int) -> None:
    numbers = iter(range(count))
    async with CLIENTS[FLOOR](setting.url) as get:

        async def work() -> None:
            for number in numbers:
                await get(conversation_id(number))

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


CPU = Question(
    asks="CPU of a conversation that is harvested, database included",
    unit="µs",
    contenders={
        "harvest": _microseconds_of_cpu(_CONVERSATIONS, _harvest),
        FLOOR: _microseconds_of_cpu(_CONVERSATIONS, _read_and_decode),
    },
    rounds=3,
)
GROWTH = Question(
    asks="CPU of a conversation that is harvested, by how many there are",
    unit="µs",
    contenders={f"{count:,} conversations": _microseconds_of_cpu(count, _harvest) for count in _SIZES},
    rounds=2,
)
