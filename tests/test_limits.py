from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from convai_async.limits import ConcurrencyLimiter


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        if scheduled and not self._ready:  # type: ignore[attr-defined]
            self.now = max(self.now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


class SimulatedService:
    """Answers in 50 to 150 ms, and refuses within 5 ms what is over its limit."""

    def __init__(self, limit: int, seed: int) -> None:
        self.limit = limit
        self.random = random.Random(seed)
        self.active = self.sent = self.refused = 0

    async def answer(self) -> bool:
        self.sent += 1
        if self.active >= self.limit:
            self.refused += 1
            await asyncio.sleep(0.005)
            return False
        self.active += 1
        await asyncio.sleep(0.1 * self.random.uniform(0.5, 1.5))
        self.active -= 1
        return True


async def simulate(service: SimulatedService, requests: int) -> float:
    """Send requests from 200 tasks, and return the share of the rate that the service's limit allows."""
    loop = asyncio.get_running_loop()
    limiter = ConcurrencyLimiter(200, clock=loop.time)
    remaining = iter(range(requests))

    async def work() -> None:
        for _ in remaining:
            while True:
                slot = await limiter.acquire()
                answered = await service.answer()
                if answered:
                    limiter.succeeded()
                else:
                    limiter.refused(slot)
                limiter.release(slot)
                if answered:
                    break
                await asyncio.sleep(service.random.uniform(0, 0.5))

    started = loop.time()
    await asyncio.gather(*(work() for _ in range(200)))
    return requests / (loop.time() - started) / (service.limit / 0.1)


@pytest.mark.parametrize(("limit", "share"), [(1, 0.98), (5, 0.98), (20, 0.96), (60, 0.88)])
def test_the_limit_finds_the_services_own_with_few_refusals(limit: int, share: float) -> None:
    service = SimulatedService(limit, seed=limit)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(simulate(service, 3000)) >= share
    assert service.refused / service.sent < 0.01


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def fill(limiter: ConcurrencyLimiter, count: int) -> list[object]:
    return [await limiter.acquire() for _ in range(count)]


async def test_the_maximum_is_never_exceeded_however_well_it_goes() -> None:
    limiter = ConcurrencyLimiter(3)
    for _ in range(50):
        slots = [await limiter.acquire() for _ in range(limiter.limit)]
        for slot in slots:
            limiter.succeeded()
            limiter.release(slot)
    assert limiter.limit == 3


async def test_a_limit_that_is_not_in_use_does_not_grow() -> None:
    limiter = ConcurrencyLimiter(100)
    before = limiter.limit
    for _ in range(100):
        slot = await limiter.acquire()
        limiter.succeeded()
        limiter.release(slot)
    assert limiter.limit == before


async def test_a_refusal_steps_back_below_what_was_in_flight() -> None:
    limiter = ConcurrencyLimiter(100)
    slots = [await limiter.acquire() for _ in range(6)]
    limiter.refused(slots[-1])
    assert limiter.limit == 5
    limiter.refused(slots[3])
    assert limiter.limit == 3


async def test_the_limit_never_falls_below_one() -> None:
    limiter = ConcurrencyLimiter(100)
    slot = await limiter.acquire()
    limiter.refused(slot)
    limiter.refused(slot)
    assert limiter.limit == 1
    limiter.release(slot)
    await limiter.acquire()


async def test_probes_above_a_known_ceiling_become_rarer() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(100, clock=clock, sleep=clock.sleep)
    slots = [await limiter.acquire() for _ in range(5)]
    limiter.refused(slots[-1])
    limiter.release(slots.pop())
    pauses = []
    for _ in range(4):
        since = clock.now
        while limiter.limit == 4:
            clock.now += 0.01
            limiter.succeeded()
        pauses.append(clock.now - since)
        slots.append(await limiter.acquire())
        limiter.refused(slots[-1])
        limiter.release(slots.pop())
    assert [round(later / earlier) for earlier, later in pairwise(pauses)] == [2, 2, 2]


async def test_a_pause_holds_everybody_once() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(10, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        limiter.pause(3.0)
    await fill(limiter, 2)
    assert clock.now == 3.0
    await limiter.acquire()
    assert clock.now == 3.0


async def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(10, clock=clock, sleep=clock.sleep)
    limiter.pause(5.0)
    limiter.pause(1.0)
    await limiter.acquire()
    assert clock.now == 5.0


async def test_a_pause_holds_those_too_who_wait_for_their_turn() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(1, clock=clock, sleep=clock.sleep)
    first = await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.pause(3.0)
    limiter.release(first)
    await waiting
    assert clock.now == 3.0


async def test_waiters_are_served_in_order_and_a_cancelled_one_loses_no_slot() -> None:
    limiter = ConcurrencyLimiter(1)
    first = await limiter.acquire()
    served: list[int] = []

    async def wait(number: int) -> None:
        slot = await limiter.acquire()
        served.append(number)
        limiter.release(slot)

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    limiter.release(first)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert served == [1, 2]
    assert limiter.in_flight == 0
