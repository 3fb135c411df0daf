"""Divide the limit of one API key between the processes that use it.

The limit is divided by demand: interactive requests come first, and what is left is divided evenly. A process keeps its
slots until it gives them back, so that the sum is never above the limit: a process that has too many gives some back
immediately, and one that has too few takes free ones.

Nothing here does I/O or reads a clock: `compute_renewal` computes the next state from the one that was read.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_IDLE_PART = 4
"""Processes without requests get one slot each out of this part (a quarter) of the limit."""

_MIN_USE = 0.8
"""The part of the limit that must be in use for a probe. Otherwise it would use what is left for other processes."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """The requests of a process that are in flight or wait.

    Attributes:
        interactive: The number of interactive requests.
        bulk: The number of bulk requests.
        maximum: The largest number that can be in flight.
        share: The share of the limit that the process may use, more than 0 and at most 1.
    """

    interactive: int
    bulk: int
    maximum: int
    share: float = 1.0

    @property
    def total(self) -> int:
        """The number of requests."""
        return self.interactive + self.bulk


class Holder(msgspec.Struct, frozen=True):
    """A process that uses the key.

    Attributes:
        slots: The requests that it has or may have in flight.
        in_use: How many of them were in use at its last renewal.
        demand: Its requests.
    """

    slots: int
    in_use: int
    demand: Demand


class KeyLimit(msgspec.Struct, frozen=True):
    """What the processes know about a key.

    Attributes:
        found: The number of requests in flight that the service does not reject.
        prober: The name of the process that may send more, to find a higher limit; None if there is none.
        holders: The processes by name.
    """

    found: float
    prober: str | None
    holders: Mapping[str, Holder]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a process noticed since its last renewal.

    Attributes:
        room: The room that it was told at its last renewal.
        estimate: Its estimate of that room now.
        stated: The limit that the service stated, or None.
        in_flight: Its requests in flight.
        is_waiting: Whether requests wait for a slot.
        is_growing: Whether it probes, and all requests succeeded so far.
        demand: Its requests.
    """

    room: int
    estimate: float
    stated: int | None = None
    in_flight: int
    is_waiting: bool
    is_growing: bool
    demand: Demand


class Grant(msgspec.Struct, frozen=True):
    """What a process may use until its next renewal.

    Attributes:
        slots: The number of requests in flight.
        room: The part of the service's limit that no other process has.
        may_probe: Whether it is the one that probes.
        frees_slots: Whether it gives slots back that others can take.
        lacks_slots: Whether others have slots to give back to it.
        is_divided: Whether there are others.
    """

    slots: int
    room: int
    may_probe: bool
    frees_slots: bool
    lacks_slots: bool
    is_divided: bool


def divide(limit: int, demands: Sequence[Demand], rotation: int = 0) -> list[int]:
    """Return the number of slots for each demand; their sum is at most the limit.

    Args:
        limit: The number of slots.
        demands: The demands of the processes.
        rotation: Who gets the slots that cannot be divided evenly; different for different numbers.
    """
    most = [demand.maximum for demand in demands]
    slots = [0] * len(demands)
    steps = [
        (limit, [min(1, demand.total) for demand in demands]),
        # With a margin, for those that come before the next renewal.
        (limit, [demand.interactive + (demand.interactive + 1) // 2 for demand in demands]),
        (limit // _IDLE_PART, [1 for _ in demands]),
        (limit, [demand.total for demand in demands]),
        (limit, most),
    ]
    for available, wants in steps:
        _raise_slots(
            slots, [min(pair) for pair in zip(wants, most, strict=True)], min(available, limit - sum(slots)), rotation
        )
    return slots


def _raise_slots(slots: list[int], wants: list[int], available: int, rotation: int) -> None:
    """Raise the smallest numbers of slots first, up to those that are wanted."""

    def cost(level: int) -> int:
        return sum(max(0, min(want, level) - has) for has, want in zip(slots, wants, strict=True))

    level = bisect_right(range(1, max(wants, default=0) + 1), available, key=cost)
    available -= cost(level)
    for place in range(len(slots)):
        index = (place + rotation) % len(slots)
        slots[index] = max(slots[index], min(wants[index], level))
        if available > 0 and slots[index] == level < wants[index]:
            slots[index] += 1
            available -= 1


def compute_renewal(limit: KeyLimit, name: str, report: Report, rotation: int = 0) -> tuple[KeyLimit, Grant]:
    """Return the limit after the renewal of a process, and what the process may use.

    Args:
        limit: The limit as it was read, with the processes whose leases have not ended.
        name: The name of the process.
        report: What the process noticed.
        rotation: As for `divide`.
    """
    found = _update_found(limit, name, report)
    before = limit.holders[name].slots if name in limit.holders else 0
    holders = {**limit.holders, name: Holder(0, 0, report.demand)}
    names = sorted(holders)
    usable = math.ceil(max(holder.demand.share for holder in holders.values()) * int(found))
    demands = [_cap(holders[each].demand, int(found)) for each in names]
    targets = dict(zip(names, divide(usable, demands, rotation), strict=True))
    free = usable - sum(holder.slots for holder in holders.values())
    # A probe goes on until it fails: what it found is divided then.
    kept = report.in_flight if report.is_growing and name == limit.prober else 0
    slots = max(0, min(max(targets[name], kept), free))
    held = max(slots, report.in_flight)
    holders[name] = Holder(held, held if report.is_waiting else report.in_flight, report.demand)
    prober = _choose_prober(limit.prober, name, holders)
    is_wanted = any(targets[each] > holders[each].slots for each in names if each != name)
    room = slots + int(found) - usable
    is_used = sum(holder.in_use for holder in holders.values()) >= _MIN_USE * usable
    grant = Grant(
        slots=slots,
        room=room,
        may_probe=prober == name and is_used and report.in_flight <= room + 1,
        frees_slots=held < before and is_wanted,
        lacks_slots=slots < targets[name],
        is_divided=len(holders) > 1,
    )
    return KeyLimit(found, prober, holders), grant


def _update_found(limit: KeyLimit, name: str, report: Report) -> float:
    if report.stated is not None:
        return float(report.stated)
    change = report.estimate - report.room
    if change > 0:
        # What the others may have but do not use proves nothing.
        others = sum(holder.in_use for each, holder in limit.holders.items() if each != name)
        change = max(0.0, min(change, report.estimate + others - limit.found)) if name == limit.prober else 0.0
    return max(1.0, limit.found + change)


def _cap(demand: Demand, found: int) -> Demand:
    """Return the demand with the part of the limit that its share allows as the maximum."""
    return msgspec.structs.replace(demand, maximum=min(demand.maximum, math.ceil(demand.share * found)))


def _choose_prober(prober: str | None, name: str, holders: Mapping[str, Holder]) -> str | None:
    """Return the process that probes: the same as before, if no other is more suitable."""
    if prober is not None and prober in holders and _rate_prober(holders[prober]) >= _rate_prober(holders[name]):
        return prober
    return name


def _rate_prober(holder: Holder) -> int:
    """Return how suitable a process is: one that uses all of its slots, better for bulk requests."""
    is_saturated = 0 < holder.slots <= holder.demand.total
    return is_saturated + (is_saturated and holder.demand.bulk > 0)
