"""A limiter whose limit is divided between processes."""

from __future__ import annotations

import asyncio

import pytest
from limiter_slots import Clock, fill, grow, release

from convai_async._transport.limiter import ConcurrencyLimiter


def allotted(slots: int, room: int | None = None, *, share: float = 1.0, may_probe: bool = False) -> ConcurrencyLimiter:
    """Return a limiter with a part of the limit."""
    limiter = ConcurrencyLimiter(100, share, clock=Clock())
    limiter.allot(slots, (slots if room is None else room) - limiter.estimate, may_probe=False)
    limiter.allot(slots, 0, may_probe=may_probe)
    return limiter


async def test_limit_is_what_was_allotted() -> None:
    limiter = allotted(12)
    assert (limiter.limit, limiter.estimate) == (12, 12)
    limiter.allot(0, -12, may_probe=False)
    assert (limiter.limit, limiter.acquire_nowait()) == (0, None)
    limiter.allot(3, 3, may_probe=False)
    assert len(fill(limiter)) == 3


async def test_waiting_requests_get_slots_that_are_allotted() -> None:
    limiter = allotted(0)
    waiting = asyncio.create_task(limiter.acquire("bulk"))
    await asyncio.sleep(0)
    limiter.allot(1, 1, may_probe=False)
    assert (await waiting).priority == "bulk"


async def test_only_the_process_that_may_probe_grows() -> None:
    limiter = allotted(10)
    fill(limiter)
    for _ in range(20):
        limiter.on_success()
    assert (limiter.limit, limiter.estimate, limiter.is_growing) == (10, 10, False)
    limiter.allot(10, 0, may_probe=True)
    grow(limiter, 14)
    assert (limiter.limit, limiter.estimate, limiter.is_growing) == (14, 13, True)
    limiter.allot(8, -5, may_probe=False)
    assert (limiter.limit, limiter.estimate, limiter.is_growing) == (8, 8, False)


async def test_probe_goes_on_when_its_findings_are_allotted() -> None:
    limiter = allotted(10, may_probe=True)
    slots = grow(limiter, 14)
    limiter.allot(13, 13 - limiter.estimate, may_probe=True)
    assert (limiter.limit, limiter.estimate) == (14, 13)
    limiter.on_rejected(slots.pop())
    assert (limiter.limit, limiter.estimate) == (13, 13)


async def test_requests_in_flight_above_the_limit_do_not_make_it_grow() -> None:
    limiter = allotted(10, may_probe=True)
    fill(limiter)
    limiter.allot(5, -5, may_probe=True)
    for _ in range(20):
        limiter.on_success()
    assert limiter.limit == 5


async def test_process_that_has_probed_waits_before_it_probes_again() -> None:
    limiter = allotted(10, may_probe=True)
    slots = grow(limiter, 12)
    limiter.on_rejected(slots[-1])
    release(limiter, slots)
    clock = limiter._clock
    assert isinstance(clock, Clock)
    limiter.allot(10, 10 - limiter.estimate, may_probe=False)
    clock.now = 100
    limiter.allot(10, 0, may_probe=True)
    fill(limiter)
    limiter.on_success()
    assert not limiter.is_growing
    clock.now = 110
    for _ in range(4):
        limiter.on_success()
    assert limiter.limit == 11


async def test_rejection_without_a_probe_costs_one_slot_for_half_a_second() -> None:
    limiter = allotted(10)
    slots = fill(limiter, "bulk")
    limiter.on_rejected(slots[-1])
    limiter.release(slots.pop())
    assert (limiter.limit, limiter.estimate) == (9, 9.5)
    limiter.allot(9, -0.5, may_probe=False)
    limiter.on_success()
    assert limiter.limit == 8  # of a room of 9, as it was of 9.5
    clock = limiter._clock
    assert isinstance(clock, Clock)
    clock.now = 0.6
    limiter.release(slots.pop())
    limiter.on_success()
    assert limiter.limit == 9


async def test_rejection_without_a_probe_costs_a_process_without_others_a_quarter() -> None:
    limiter = allotted(20)
    limiter.allot(20, 0, may_probe=False, is_divided=False)
    slots = fill(limiter, "bulk")
    limiter.on_rejected(slots[-1])
    assert (limiter.limit, limiter.estimate) == (15, 19.5)


async def test_room_of_a_process_with_one_slot_can_be_nothing() -> None:
    limiter = allotted(1)
    [slot] = fill(limiter, "bulk")
    limiter.on_rejected(slot)
    assert (limiter.limit, limiter.estimate) == (1, 0.5)


async def test_limit_that_the_service_states_is_that_of_all_processes() -> None:
    limiter = allotted(10)
    slots = fill(limiter)
    limiter.on_rejected(slots[-1], 25)
    assert (limiter.limit, limiter.stated) == (9, 25)


async def test_probe_with_a_share_measures_the_room_and_not_the_share() -> None:
    limiter = allotted(5, room=15, share=0.5, may_probe=True)
    assert limiter.limit == 5
    slots = grow(limiter, 16)
    limiter.on_rejected(slots[-1])
    assert (limiter.limit, limiter.estimate) == (5, 15)


async def test_limit_is_at_most_the_maximum() -> None:
    limiter = ConcurrencyLimiter(10)
    limiter.allot(30, 30 - limiter.estimate, may_probe=True)
    assert (limiter.limit, limiter.maximum) == (10, 10)


async def test_demand_is_counted_by_priority() -> None:
    limiter = allotted(3)
    fill(limiter)
    waiting = [asyncio.create_task(limiter.acquire(priority)) for priority in ("bulk", "bulk", "interactive")]
    await asyncio.sleep(0)
    assert limiter.count_demand() == {"interactive": 4, "bulk": 2}
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert limiter.count_demand() == {"interactive": 3, "bulk": 0}


async def test_changes_are_announced() -> None:
    limiter = allotted(1)
    seen: list[str] = []
    [slot] = fill(limiter)
    limiter.on_change = lambda: seen.append("change")
    for priority in ("bulk", "interactive"):
        with pytest.raises(TimeoutError):
            await limiter.acquire(priority, timeout=0)
        assert len(seen) == (priority == "interactive")
    limiter.on_rejected(slot)
    assert len(seen) == 2
    limiter.throttle(5)
    assert len(seen) == 3
    limiter.throttle(1)  # ends before the other
    assert len(seen) == 3
