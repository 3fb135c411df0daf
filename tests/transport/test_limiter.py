from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import VirtualTimeLoop, in_virtual_time, now

from convai_async._transport.limiter import ConcurrencyLimiter, Slot, ThrottleTooLongError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from convai_async._transport.limiter import Priority

LATENCY = 0.1


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
        await asyncio.sleep(LATENCY * self.random.uniform(0.5, 1.5))
        self.active -= 1
        return True


class SimulatedProcess:
    """A client with a limiter of its own, which repeats what is refused."""

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
        """Send so many requests from so many tasks."""
        remaining = iter(range(requests))

        async def work() -> None:
            for _ in remaining:
                await self.request()

        await asyncio.gather(*(work() for _ in range(tasks)))

    async def send_until(self, end: float, tasks: int = 128) -> None:
        """Keep so many tasks busy until then."""

        async def work() -> None:
            while now() < end:
                await self.request()

        await asyncio.gather(*(work() for _ in range(tasks)))

    async def receive_until(self, end: float, a_second: float) -> None:
        """Send a request whenever a user comes, at random, until then."""
        async with asyncio.TaskGroup() as group:
            while now() < end:
                await asyncio.sleep(self.service.random.expovariate(a_second))
                group.create_task(self.request())

    def percentile(self, percent: int) -> float:
        return sorted(self.durations)[len(self.durations) * percent // 100]


@pytest.mark.parametrize(
    ("limit", "share_of_ideal", "refused"), [(1, 0.98, 0.02), (5, 0.98, 0.005), (20, 0.97, 0.003), (60, 0.9, 0.004)]
)
@in_virtual_time
async def test_limiter_finds_the_services_limit_with_few_refusals(
    limit: int, share_of_ideal: float, refused: float
) -> None:
    service = SimulatedService(limit, seed=limit)
    await SimulatedProcess(service).send(3000)
    assert 3000 / now() >= share_of_ideal * limit / LATENCY
    assert service.refused / service.sent <= refused


@pytest.mark.parametrize("seed", range(3))
def test_backend_stays_fast_beside_a_harvest_with_half_the_share(seed: int) -> None:
    seconds = 120.0

    async def backend_alone() -> float:
        backend = SimulatedProcess(SimulatedService(20, seed), priority="interactive")
        await backend.receive_until(seconds, 20)
        return backend.percentile(99)

    async def backend_beside_harvest() -> tuple[float, float]:
        service = SimulatedService(20, seed)
        backend = SimulatedProcess(service, priority="interactive")
        harvest = SimulatedProcess(service, share=0.5)
        async with asyncio.TaskGroup() as group:
            group.create_task(backend.receive_until(seconds, 20))
            group.create_task(harvest.send_until(seconds))
        return backend.percentile(99), len(harvest.durations) / seconds

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        alone = runner.run(backend_alone())
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        beside, harvested = runner.run(backend_beside_harvest())
    assert beside <= 3 * alone
    assert harvested >= 0.45 * 20 / LATENCY


@in_virtual_time
async def test_limit_is_back_within_seconds_after_another_process_ends() -> None:
    service = SimulatedService(20, seed=1)
    stays, leaves = SimulatedProcess(service), SimulatedProcess(service)
    async with asyncio.TaskGroup() as group:
        group.create_task(stays.send_until(100))
        group.create_task(leaves.send_until(60))
        await asyncio.sleep(60)
        assert stays.limiter.limit <= 15
        while stays.limiter.limit < 19:
            await asyncio.sleep(0.1)
        assert now() <= 60 + 11


@pytest.mark.parametrize("taken", [10, 19, 20])
@in_virtual_time
async def test_growing_queue_brings_an_interactive_limit_back_within_three_seconds(taken: int) -> None:
    service = SimulatedService(20, seed=taken)
    backend = SimulatedProcess(service, priority="interactive")
    async with asyncio.TaskGroup() as group:
        group.create_task(backend.receive_until(40, 150))
        await asyncio.sleep(10)
        service.active += taken
        await asyncio.sleep(20)
        service.active -= taken
        await asyncio.sleep(3)
        assert backend.limiter.limit >= 12


@in_virtual_time
async def test_a_share_yields_within_a_second_when_refusals_rise_and_recovers() -> None:
    service = SimulatedService(20, seed=2)
    harvest = SimulatedProcess(service, share=0.5)
    async with asyncio.TaskGroup() as group:
        group.create_task(harvest.send_until(60))
        await asyncio.sleep(20)
        assert harvest.limiter.limit == 10
        service.active += 15
        await asyncio.sleep(1)
        assert harvest.limiter.limit <= 8
        await asyncio.sleep(2)
        assert harvest.limiter.limit <= 6
        service.active -= 15
        await asyncio.sleep(8)
        assert harvest.limiter.limit == 10


@pytest.mark.parametrize(("share", "expected"), [(1.0, 8), (0.5, 4)])
@in_virtual_time
async def test_limit_follows_the_services_limit_down(share: float, expected: int) -> None:
    service = SimulatedService(20, seed=4)
    process = SimulatedProcess(service, share)
    async with asyncio.TaskGroup() as group:
        group.create_task(process.send_until(240))
        await asyncio.sleep(30)
        service.limit = 8
        await asyncio.sleep(150)
        assert process.limiter.limit == pytest.approx(expected, abs=1)
        service.sent = service.refused = 0
    assert service.refused / service.sent < 0.01


@in_virtual_time
async def test_two_harvests_use_what_the_service_allows() -> None:
    service = SimulatedService(20, seed=3)
    harvests = [SimulatedProcess(service), SimulatedProcess(service)]
    async with asyncio.TaskGroup() as group:
        for harvest in harvests:
            group.create_task(harvest.send_until(60))
    done = [len(harvest.durations) for harvest in harvests]
    assert sum(done) / 60 >= 0.9 * 20 / LATENCY
    assert min(done) >= 0.3 * sum(done)
    assert service.refused / service.sent < 0.02


class Clock:
    """A clock that only a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def fill(limiter: ConcurrencyLimiter, priority: Priority = "interactive") -> list[Slot]:
    """Take every free slot."""
    slots: list[Slot] = []
    while (slot := limiter.acquire_nowait(priority)) is not None:
        slots.append(slot)
    return slots


def grow(limiter: ConcurrencyLimiter, limit: int) -> list[Slot]:
    """Let requests succeed with every slot in use, until the limit is that; return the slots in use."""
    slots = fill(limiter)
    while limiter.limit < limit:
        limiter.on_success()
        slots += fill(limiter)
    return slots


def release(limiter: ConcurrencyLimiter, slots: list[Slot]) -> None:
    while slots:
        limiter.release(slots.pop())


async def test_limit_grows_by_half_in_a_round_trip() -> None:
    limiter = ConcurrencyLimiter(100)
    slots = fill(limiter)
    limits = []
    for _ in range(3):
        limits.append(len(slots))
        following: list[Slot] = []
        for slot in slots:
            limiter.on_success()
            limiter.release(slot)
            following += fill(limiter)
        slots = following
    assert limits == [8, 12, 18]


@pytest.mark.parametrize("share", [0.5, 1.0])
async def test_maximum_is_never_exceeded(share: float) -> None:
    limiter = ConcurrencyLimiter(10, share)
    for _ in range(50):
        slots = fill(limiter)
        assert len(slots) == limiter.limit <= 10
        for _ in slots:
            limiter.on_success()
        release(limiter, slots)
    assert limiter.limit == 10 * share


async def test_limit_that_is_not_in_use_does_not_grow() -> None:
    limiter = ConcurrencyLimiter(100)
    before = limiter.limit
    slots = [await limiter.acquire() for _ in range(before - 1)]
    for _ in range(100):
        limiter.on_success()
    assert limiter.limit == before
    slots.append(await limiter.acquire())
    limiter.on_success()
    limiter.on_success()
    assert limiter.limit == before + 1


async def test_share_of_what_fits_is_used_when_more_is_not_needed() -> None:
    limiter = ConcurrencyLimiter(100, 0.5)
    slots = [await limiter.acquire() for _ in range(6)]
    limiter.on_success()
    assert limiter.limit == 4
    release(limiter, slots)


async def test_share_is_rounded_up_and_never_less_than_one() -> None:
    limiter = ConcurrencyLimiter(100, 0.01)
    limiter.on_rejected(grow(limiter, 21)[-1])
    assert limiter.limit == 1
    limiter = ConcurrencyLimiter(100, 0.26)
    limiter.on_rejected(grow(limiter, 21)[-1])
    assert limiter.limit == 6


async def test_refusal_steps_back_to_those_that_were_not_refused() -> None:
    limiter = ConcurrencyLimiter(100)
    slots = grow(limiter, 20)
    for limit in (19, 18, 17):
        limiter.on_rejected(slots[-1])
        release(limiter, slots[-1:])
        slots.pop()
        assert limiter.limit == limit
    release(limiter, slots)
    assert len(fill(limiter)) == 17


async def test_one_refusal_cuts_the_limit_by_half_at_most() -> None:
    limiter = ConcurrencyLimiter(100)
    slots = [await limiter.acquire() for _ in range(3)]
    limiter.on_rejected(slots[0])
    assert limiter.limit == 4
    limiter.on_rejected(slots[1])
    limiter.on_rejected(slots[2])
    assert limiter.limit == 4
    release(limiter, slots)
    for limit in (2, 1, 1):
        slot = await limiter.acquire()
        limiter.on_rejected(slot)
        limiter.release(slot)
        assert limiter.limit == limit


@pytest.mark.parametrize(("in_flight", "expected"), [(8, 5), (1, 5), (3, 5)])
async def test_stated_maximum_becomes_the_limit(in_flight: int, expected: int) -> None:
    limiter = ConcurrencyLimiter(100)
    slots = [await limiter.acquire() for _ in range(in_flight)]
    for slot in slots:
        limiter.on_rejected(slot, maximum=5)
        assert limiter.limit == expected


async def test_share_of_a_stated_maximum_is_used() -> None:
    limiter = ConcurrencyLimiter(100, 0.5)
    limiter.on_rejected(await limiter.acquire(), maximum=6)
    assert limiter.limit == 3


async def test_refusal_below_the_stated_maximum_means_that_other_processes_use_the_rest() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(100, clock=clock)
    slot = await limiter.acquire()
    limiter.on_rejected(slot, maximum=7)
    limiter.release(slot)
    slots = fill(limiter)
    assert len(slots) == 7
    limiter.on_rejected(slots[-1], maximum=7)
    assert limiter.limit == 6
    clock.now = 0.49
    limiter.on_success()
    assert limiter.limit == 6


async def test_pause_before_a_probe_doubles_up_to_ten_seconds_and_is_short_after_finding_room() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(100, clock=clock)
    slots = grow(limiter, 21)

    def refuse_one() -> None:
        limiter.on_rejected(slots[-1])
        limiter.release(slots.pop())

    def wait_for_probe() -> float:
        settled_at, before = clock.now, limiter.limit
        while limiter.limit == before:
            clock.now += 0.01
            limiter.on_success()
        slots.extend(fill(limiter))
        return clock.now - settled_at

    refuse_one()
    pauses = []
    for _ in range(7):
        pauses.append(wait_for_probe())
        refuse_one()
        assert limiter.limit == 20
    assert [round(pause, 1) for pause in pauses] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    wait_for_probe()
    slots += grow(limiter, 40)
    refuse_one()
    assert wait_for_probe() < 0.6


async def test_growing_queue_shortens_the_pause_before_a_probe_to_a_second() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(100, clock=clock)
    slots = grow(limiter, 21)
    for _ in range(5):
        limiter.on_rejected(slots[-1])
        limiter.release(slots.pop())
        clock.now += 20
        limiter.on_success()
        limiter.on_success()
        slots += fill(limiter)
    limiter.on_rejected(slots[-1])
    limiter.release(slots.pop())
    bulk = asyncio.create_task(limiter.acquire("bulk"))
    await asyncio.sleep(0)
    clock.now += 1.01
    limiter.on_success()
    limiter.on_success()
    assert limiter.limit == 20  # a bulk queue is always there
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.on_success()
    limiter.on_success()
    assert limiter.limit == 21
    bulk.cancel()
    waiting.cancel()


async def test_bulk_request_that_is_refused_without_a_probe_yields_a_quarter_and_recovers_slowly() -> None:
    clock = Clock()

    def refuse_twice(priority: Priority) -> ConcurrencyLimiter:
        limiter = ConcurrencyLimiter(100, clock=clock)
        slots = grow(limiter, 21)
        limiter.on_rejected(slots[-1])
        release(limiter, slots)
        slots = fill(limiter, priority)
        limiter.on_rejected(slots[-1])
        release(limiter, slots)
        return limiter

    assert refuse_twice("interactive").limit == 19
    limiter = refuse_twice("bulk")
    assert limiter.limit == 15
    slots = fill(limiter, "bulk")
    recovery = []
    for _ in range(3):
        clock.now += 0.501
        for _ in range(5):
            limiter.on_success()
        slots += fill(limiter)
        recovery.append(limiter.limit)
    assert recovery == [16, 18, 19]


@in_virtual_time
async def test_a_pause_holds_all_requests_once() -> None:
    limiter = ConcurrencyLimiter(10, clock=now)
    for _ in range(5):
        limiter.throttle(3.0)
    assert limiter.acquire_nowait() is None
    await asyncio.gather(*(limiter.acquire() for _ in range(2)))
    assert now() == 3.0
    assert limiter.throttle_left == 0
    await limiter.acquire()
    assert now() == 3.0


@in_virtual_time
async def test_a_pause_is_extended_and_never_shortened() -> None:
    limiter = ConcurrencyLimiter(10, clock=now)
    limiter.throttle(5.0)
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(1)
    limiter.throttle(1.0)
    limiter.throttle(6.0)
    await waiting
    assert now() == 7.0


@in_virtual_time
async def test_a_pause_ends_after_a_quarter_of_an_hour_at_most() -> None:
    limiter = ConcurrencyLimiter(10, clock=now)
    limiter.throttle(1e6)
    await limiter.acquire()
    assert now() == 15 * 60


@in_virtual_time
async def test_a_pause_holds_requests_that_wait_for_a_slot() -> None:
    limiter = ConcurrencyLimiter(1, clock=now)
    first = await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.throttle(3.0)
    limiter.release(first)
    await waiting
    assert now() == 3.0


@in_virtual_time
async def test_requests_fail_at_once_when_a_pause_lasts_longer_than_they_may_wait() -> None:
    limiter = ConcurrencyLimiter(1, clock=now)
    first = await limiter.acquire()
    impatient = asyncio.create_task(limiter.acquire(max_throttle=10))
    patient = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(4)
    limiter.throttle(6.0)
    await asyncio.sleep(0)
    assert not impatient.done()
    limiter.throttle(6.5)
    with pytest.raises(ThrottleTooLongError) as caught:
        await impatient
    with pytest.raises(ThrottleTooLongError):
        await limiter.acquire(max_throttle=6.4)
    assert caught.value.seconds == 6.5
    assert now() == 4
    limiter.release(first)
    await patient
    assert now() == 10.5


@in_virtual_time
async def test_waiting_for_a_slot_ends_by_its_timeout() -> None:
    limiter = ConcurrencyLimiter(1, clock=now)
    slot = await limiter.acquire()
    with pytest.raises(TimeoutError):
        await limiter.acquire(timeout=2.5)
    assert now() == 2.5
    with pytest.raises(TimeoutError):
        await limiter.acquire(timeout=0)
    limiter.release(slot)
    await limiter.acquire(timeout=0)
    assert limiter.in_flight == 1


@in_virtual_time
async def test_interactive_requests_go_before_bulk_ones_and_each_in_order() -> None:
    limiter = ConcurrencyLimiter(1, clock=now)
    first = await limiter.acquire()
    served: list[str] = []

    async def wait(name: str, priority: Priority) -> None:
        slot = await limiter.acquire(priority)
        served.append(name)
        await asyncio.sleep(1)
        limiter.release(slot)

    order: list[tuple[str, Priority]] = [("b1", "bulk"), ("b2", "bulk"), ("i1", "interactive"), ("i2", "interactive")]
    waiting = [asyncio.create_task(wait(*each)) for each in order]
    await asyncio.sleep(0)
    limiter.release(first)
    assert limiter.acquire_nowait() is None
    assert limiter.acquire_nowait("bulk") is None
    await asyncio.gather(*waiting)
    assert served == ["i1", "i2", "b1", "b2"]


@in_virtual_time
async def test_cancelled_waiter_hands_on_its_turn_and_its_slot() -> None:
    limiter = ConcurrencyLimiter(1, clock=now)
    first = await limiter.acquire()
    waiting, granted, last = (asyncio.create_task(limiter.acquire()) for _ in range(3))
    await asyncio.sleep(0)
    waiting.cancel()
    limiter.release(first)  # to the second, which is cancelled before it has noticed
    granted.cancel()
    await last
    assert limiter.in_flight == 1
    for task in (waiting, granted):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_bulk_request_does_not_overtake_one_that_waits() -> None:
    limiter = ConcurrencyLimiter(2)
    first, second = await limiter.acquire(), await limiter.acquire()
    limiter.throttle(1000)
    waiting = asyncio.create_task(limiter.acquire("bulk"))
    await asyncio.sleep(0)
    limiter._throttled_until = None
    limiter._held.clear()
    assert limiter.acquire_nowait("bulk") is None
    assert limiter.acquire_nowait("interactive") is not None
    waiting.cancel()
    limiter.release(first)
    limiter.release(second)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["acquire", "bulk", "cancel", "release"]))))
def test_slots_are_neither_lost_nor_given_twice_however_waiters_are_cancelled(steps: list[tuple[int, str]]) -> None:
    @in_virtual_time
    async def run() -> None:
        limiter = ConcurrencyLimiter(3, clock=now)
        tasks: dict[int, asyncio.Task[Slot]] = {}
        for number, step in steps:
            task = tasks.get(number)
            if step in {"acquire", "bulk"} and task is None:
                coroutine: Coroutine[Any, Any, Slot] = limiter.acquire("bulk" if step == "bulk" else "interactive")
                tasks[number] = asyncio.create_task(coroutine)
            elif step == "cancel" and task is not None:
                task.cancel()
            elif step == "release" and task is not None and task.done() and not task.cancelled():
                limiter.release(tasks.pop(number).result())
            if number % 3 == 0:
                await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
        held = [task for task in tasks.values() if task.done() and not task.cancelled()]
        waiting = [task for task in tasks.values() if not task.done()]
        assert limiter.in_flight == len(held) <= 3
        assert len(held) == 3 or not waiting
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not any(limiter._waiting.values())

    run()


@in_virtual_time
async def test_thousands_of_waiters_are_served_and_cancelled_in_a_moment() -> None:
    limiter = ConcurrencyLimiter(1, clock=now)
    slot = await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire(timeout=1000)) for _ in range(20_000)]
    await asyncio.sleep(0)
    for task in waiting[1::2]:
        task.cancel()
    await asyncio.sleep(0)
    assert len(limiter._waiting["interactive"]) == 10_000
    for task in waiting[::2]:
        limiter.release(slot)
        slot = await task
    assert limiter.in_flight == 1


def test_a_limiter_goes_on_in_another_loop_with_what_it_learned() -> None:
    limiter = ConcurrencyLimiter(4)

    async def leave_everything_behind() -> Slot:
        slots = fill(limiter)
        limiter.on_rejected(slots[-1])
        limiter.throttle(0.01)
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        limiter._waiting["bulk"][loop.create_future()] = 0.0
        waiting.cancel()
        return slots[0]

    stale = asyncio.run(leave_everything_behind())
    limiter.reset()

    async def go_on() -> None:
        slots = [await limiter.acquire() for _ in range(3)]
        limiter.release(stale)
        assert limiter.in_flight == limiter.limit == 3
        release(limiter, slots)

    asyncio.run(go_on())
