"""How the limit changes with success and rejection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from limiter_slots import Clock, fill, grow, release

from convai_async._transport.limiter import ConcurrencyLimiter, Slot

if TYPE_CHECKING:
    from convai_async._transport.limiter import Priority


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
async def test_limit_never_exceeds_the_maximum(share: float) -> None:
    limiter = ConcurrencyLimiter(10, share)
    for _ in range(50):
        slots = fill(limiter)
        assert len(slots) == limiter.limit <= 10
        for _ in slots:
            limiter.on_success()
        release(limiter, slots)
    assert limiter.limit == 10 * share


async def test_limit_does_not_grow_while_slots_are_free() -> None:
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


async def test_limit_is_the_share_when_no_probe_is_needed() -> None:
    limiter = ConcurrencyLimiter(100, 0.5)
    slots = [await limiter.acquire() for _ in range(6)]
    limiter.on_success()
    assert limiter.limit == 4
    release(limiter, slots)


async def test_success_with_free_slots_does_not_postpone_the_probe_of_a_share() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(100, 0.5, clock=clock)
    slots = grow(limiter, 21)
    limiter.on_rejected(slots[-1])
    release(limiter, slots)
    slot = await limiter.acquire()
    clock.now = 0.9
    limiter.on_success()
    limiter.release(slot)
    slots = fill(limiter)
    assert len(slots) == 10
    clock.now = 1.0
    limiter.on_success()
    assert limiter.limit == 20
    release(limiter, slots)


async def test_share_is_rounded_up_and_at_least_one() -> None:
    limiter = ConcurrencyLimiter(100, 0.01)
    limiter.on_rejected(grow(limiter, 21)[-1])
    assert limiter.limit == 1
    limiter = ConcurrencyLimiter(100, 0.26)
    limiter.on_rejected(grow(limiter, 21)[-1])
    assert limiter.limit == 6


async def test_rejection_reduces_the_limit_to_the_requests_that_were_not_rejected() -> None:
    limiter = ConcurrencyLimiter(100)
    slots = grow(limiter, 20)
    for limit in (19, 18, 17):
        limiter.on_rejected(slots[-1])
        release(limiter, slots[-1:])
        slots.pop()
        assert limiter.limit == limit
    release(limiter, slots)
    assert len(fill(limiter)) == 17


async def test_one_rejection_cuts_the_limit_by_half_at_most() -> None:
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


async def test_bulk_requests_do_not_recover_beyond_a_stated_maximum() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(100, clock=clock)
    slots = grow(limiter, 21)
    limiter.on_rejected(slots[-1])
    release(limiter, slots)
    slots = fill(limiter, "bulk")
    limiter.on_rejected(slots[-1], maximum=5)
    release(limiter, slots)
    slots = fill(limiter, "bulk")
    clock.now = 0.5
    limiter.on_success()
    assert limiter.limit == len(slots) == 5
    release(limiter, slots)


async def test_share_of_a_stated_maximum_is_used() -> None:
    limiter = ConcurrencyLimiter(100, 0.5)
    limiter.on_rejected(await limiter.acquire(), maximum=6)
    assert limiter.limit == 3


async def test_rejection_below_the_stated_maximum_reduces_the_limit() -> None:
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


async def test_interval_between_probes_doubles_up_to_ten_seconds_and_is_reset_by_success() -> None:
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


async def test_interactive_queue_that_grows_shortens_the_interval_to_a_second() -> None:
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
    assert limiter.limit == 20  # a bulk queue does not count
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.on_success()
    limiter.on_success()
    assert limiter.limit == 21
    bulk.cancel()
    waiting.cancel()


async def test_bulk_rejection_without_a_probe_yields_a_quarter_and_recovers_slowly() -> None:
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
