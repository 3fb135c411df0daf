"""Waiting for a slot: order, timeouts, throttling and cancellation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limiter_slots import Clock, fill, release
from virtual_time import in_virtual_time, now

from convai_async._transport.limiter import ConcurrencyLimiter, Slot, ThrottleTooLongError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from convai_async._transport.limiter import Priority


@in_virtual_time
async def test_throttle_delays_all_requests_once() -> None:
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
async def test_throttle_is_extended_and_never_shortened() -> None:
    limiter = ConcurrencyLimiter(10, clock=now)
    limiter.throttle(5.0)
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(1)
    limiter.throttle(1.0)
    limiter.throttle(6.0)
    await waiting
    assert now() == 7.0


@in_virtual_time
async def test_throttle_ends_after_15_minutes_at_most() -> None:
    limiter = ConcurrencyLimiter(10, clock=now)
    limiter.throttle(1e6)
    await limiter.acquire()
    assert now() == 15 * 60


@in_virtual_time
async def test_throttle_delays_requests_that_wait_for_a_slot() -> None:
    limiter = ConcurrencyLimiter(1, clock=now)
    first = await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.throttle(3.0)
    limiter.release(first)
    await waiting
    assert now() == 3.0


@in_virtual_time
async def test_requests_fail_at_once_when_the_throttle_exceeds_their_limit() -> None:
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
    long_enough = asyncio.create_task(limiter.acquire(max_throttle=6.5))
    await asyncio.sleep(0)
    assert not long_enough.done()
    long_enough.cancel()
    assert caught.value.seconds == 6.5
    assert now() == 4
    limiter.release(first)
    await patient
    assert now() == 10.5


@in_virtual_time
async def test_waiting_for_a_slot_ends_at_its_timeout() -> None:
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
async def test_interactive_requests_get_slots_before_bulk_ones_and_each_in_order() -> None:
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
async def test_cancelled_request_passes_its_slot_to_the_next() -> None:
    limiter = ConcurrencyLimiter(1, clock=now)
    first = await limiter.acquire()
    waiting, granted, last = (asyncio.create_task(limiter.acquire()) for _ in range(3))
    await asyncio.sleep(0)
    waiting.cancel()
    limiter.release(first)  # to the second, which is cancelled before it resumes
    granted.cancel()
    await last
    assert limiter.in_flight == 1
    for task in (waiting, granted):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_request_does_not_overtake_those_that_waited_for_a_pause_that_has_just_ended() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(2, clock=clock)
    limiter.throttle(1000)
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    clock.now = 1000.0
    assert limiter.throttle_left == 0
    assert limiter.acquire_nowait() is None
    waiting.cancel()


async def test_bulk_request_does_not_overtake_a_waiting_one() -> None:
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
def test_slots_are_not_lost_or_granted_twice_when_requests_are_cancelled(steps: list[tuple[int, str]]) -> None:
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
async def test_thousands_of_waiting_requests_are_served_and_cancelled_quickly() -> None:
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


def test_limiter_keeps_its_limit_in_another_event_loop() -> None:
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
