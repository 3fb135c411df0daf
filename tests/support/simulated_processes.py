"""Processes whose limiters send requests to a simulated service, in virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from virtual_time import now

from convai_async._transport.limiter import ConcurrencyLimiter

if TYPE_CHECKING:
    from convai_async._transport.limiter import Priority

LATENCY = 0.1


class SimulatedService:
    """Responses in 50 to 150 ms, and rejects requests over its limit in 5 ms."""

    def __init__(self, limit: int, seed: int) -> None:
        self.limit = limit
        self.random = random.Random(seed)
        self.active = self.sent = self.rejected = 0

    async def answer(self) -> bool:
        self.sent += 1
        if self.active >= self.limit:
            self.rejected += 1
            await asyncio.sleep(0.005)
            return False
        self.active += 1
        try:
            await asyncio.sleep(LATENCY * self.random.uniform(0.5, 1.5))
        finally:
            self.active -= 1
        return True


class SimulatedProcess:
    """A process with its own limiter that retries rejected requests."""

    def __init__(
        self, service: SimulatedService, share: float = 1.0, maximum: int = 200, priority: Priority = "bulk"
    ) -> None:
        self.service = service
        self.limiter = ConcurrencyLimiter(maximum, share, clock=now)
        self.priority: Priority = priority
        self.durations: list[float] = []

    async def request(self) -> None:
        asked = now()
        pause = 0.5
        while not await self.attempt():
            await asyncio.sleep(self.service.random.uniform(0, pause))
            pause *= 2
        self.durations.append(now() - asked)

    async def attempt(self) -> bool:
        slot = await self.limiter.acquire(self.priority)
        answered = await self.service.answer()
        if answered:
            self.limiter.on_success()
        else:
            self.limiter.on_rejected(slot)
        self.limiter.release(slot)
        return answered

    async def send(self, requests: int, tasks: int = 200) -> None:
        """Send a number of requests from a number of tasks."""
        remaining = iter(range(requests))

        async def work() -> None:
            for _ in remaining:
                await self.request()

        await asyncio.gather(*(work() for _ in range(tasks)))

    async def send_until(self, end: float, tasks: int = 128) -> None:
        """Send requests from a number of tasks until this time."""

        async def work() -> None:
            while now() < end:
                await self.request()

        await asyncio.gather(*(work() for _ in range(tasks)))

    async def receive_until(self, end: float, a_second: float) -> None:
        """Send requests at random times until this time."""
        async with asyncio.TaskGroup() as group:
            while now() < end:
                await asyncio.sleep(self.service.random.expovariate(a_second))
                group.create_task(self.request())

    def percentile(self, percent: int) -> float:
        return sorted(self.durations)[len(self.durations) * percent // 100]
