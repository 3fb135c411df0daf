"""Limit how many requests are in flight, and find the service's own limit.

The service rejects requests over its concurrency limit with a 429, and does not publish the limit. The limit here
grows while requests succeed. When a request is rejected, it goes back to the number of requests that were not rejected.
After an interval it is raised again (a probe). The interval doubles each time that a probe is rejected.

Other processes with the same key share the service's limit. When a request is rejected without a probe, they are using
more of it than before. Then the interval is short, because they will use less again. Bulk requests leave them a quarter
of the limit and take it back slowly. A limiter with a share also probes the whole limit, but only to measure it, and
less often.

Processes that know of each other divide the limit (`allot`). Then only one of them probes, and what each one notices
(`estimate`, `stated`) changes the limit of all.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

Priority = Literal["interactive", "bulk"]

_INITIAL_LIMIT = 8
_GROWTH_PER_SUCCESS = 0.5  # so the limit grows by half in a round trip
_MAX_CUT = 0.5
"""The smallest part of the limit that is left after one rejection."""
_YIELD = 0.75
"""The part of the limit that is left when bulk requests make room for other processes."""
_RECOVERY = 0.1
_RECOVERY_SECS = 0.5
"""The time in which the limit grows by the part above after yielding."""
_PROBE_SECS_WHILE_QUEUE_GROWS = 1.0
_MAX_THROTTLE_SECS = 15 * 60.0
"""One wrong response must not stop all requests for longer. A service that needs more time asks again."""


class _ProbePlan(msgspec.Struct, frozen=True):
    """When to probe, and how fast to adapt to a lower limit of the service.

    Attributes:
        min_interval: Seconds until the first probe after the limit has changed.
        max_interval: Seconds between probes that are rejected.
        decay: How far the estimate of the service's limit moves towards a lower number: 1 is all the way.
    """

    min_interval: float
    max_interval: float
    decay: float


_WHOLE_PLAN = _ProbePlan(min_interval=0.5, max_interval=10.0, decay=0.5)
_SHARE_PLAN = _ProbePlan(min_interval=1.0, max_interval=30.0, decay=0.125)  # probes take room from other processes


class Slot(msgspec.Struct, eq=False):
    """Permission to have one request in flight.

    Attributes:
        priority: The request's priority.
        cuts: How many times the limit had been cut when the slot was taken.
    """

    priority: Priority
    cuts: int


class ThrottleTooLongError(Exception):
    """The service requested a pause that is longer than a request may wait.

    Attributes:
        seconds: The remaining seconds of the pause.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class ConcurrencyLimiter:
    """Limits the requests in flight of all tasks that share it.

    Acquire a slot before a request, and release it after the response was read. Interactive requests get slots before
    bulk requests, and requests of one priority in order.

    Args:
        maximum: The upper bound of the limit.
        share: The share of the service's limit to use, more than 0 and at most 1.
        clock: Returns seconds.

    Attributes:
        stated: The limit that the service stated for all processes since the limit was allotted, or None.
        on_change: Called when a request is rejected, a pause starts or an interactive request waits; None by default.
    """

    def __init__(self, maximum: int, share: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._maximum = maximum
        self._share = share
        self._clock = clock
        self._held: set[Slot] = set()
        self._waiting: dict[Priority, OrderedDict[asyncio.Future[Slot | None], float]] = {
            "interactive": OrderedDict(),
            "bulk": OrderedDict(),
        }
        self._limit = float(min(_INITIAL_LIMIT, maximum))  # the share of it is used, unless this is a probe
        self._ceiling = 0.0  # estimate of the service's limit
        self._ceiling_before = 0.0
        self._served = 0.0  # requests in flight at the last rejection, without the rejected one
        self._floor = 0.0
        self._cuts = 0
        self._growing = True
        self._yielding = False
        self._plan = _WHOLE_PLAN if share == 1 else _SHARE_PLAN
        self._probe_interval = self._plan.min_interval
        self._settled_at = 0.0
        self._grow_at = 0.0
        self._queued = 0  # interactive requests that waited when the limit was settled
        self._throttled_until: float | None = None
        self._resuming: asyncio.TimerHandle | None = None
        self._allowed = int(self._limit)
        self._allotted: int | None = None
        self._is_divided = False
        self._may_probe = True
        self.stated: int | None = None
        self.on_change: Callable[[], None] | None = None

    @property
    def limit(self) -> int:
        """The number of requests that can be in flight now."""
        return self._allowed

    @property
    def in_flight(self) -> int:
        """The number of requests that are in flight now."""
        return len(self._held)

    @property
    def maximum(self) -> int:
        """The upper bound of the limit."""
        return self._maximum

    @property
    def share(self) -> float:
        """The share of the service's limit to use."""
        return self._share

    @property
    def estimate(self) -> float:
        """The estimate of the service's limit: the number of requests in flight that it does not reject."""
        return max(self._ceiling, self._limit - 1) if self._probing else self._ceiling

    @property
    def is_growing(self) -> bool:
        """Whether the limit grows above the estimate, since requests succeed with all slots in use."""
        return self._probing and self.estimate > self._ceiling and len(self._held) >= self._allowed

    def count_demand(self) -> dict[Priority, int]:
        """Return how many requests of each priority are in flight or wait for a slot."""
        demand: dict[Priority, int] = {priority: len(queue) for priority, queue in self._waiting.items()}
        for slot in self._held:
            demand[slot.priority] += 1
        return demand

    @property
    def throttle_left(self) -> float:
        """Seconds until the end of the requested pause; 0 without a pause."""
        return 0.0 if self._throttled_until is None else max(0.0, self._throttled_until - self._clock())

    def acquire_nowait(self, priority: Priority = "interactive") -> Slot | None:
        """Take a slot if one is free, no other request waits for it, and there is no pause; else return None."""
        if self._waiting["interactive"] or (priority == "bulk" and self._waiting["bulk"]):
            return None
        if len(self._held) >= self._allowed or (self._throttled_until is not None and self.throttle_left):
            return None
        return self._take(priority)

    async def acquire(
        self, priority: Priority = "interactive", *, timeout: float | None = None, max_throttle: float | None = None
    ) -> Slot:
        """Wait for a pause to end and for a free slot, and take it.

        Args:
            priority: ``"bulk"`` requests get a slot after ``"interactive"`` ones.
            timeout: Seconds to wait; None means no limit.
            max_throttle: The longest pause to wait for, in seconds; None means no limit.

        Raises:
            ThrottleTooLongError: The pause lasts longer than ``max_throttle``.
            TimeoutError: No slot was free in time.
        """
        slot = self.acquire_nowait(priority)
        if slot is not None:
            return slot
        throttle_deadline = math.inf if max_throttle is None else self._clock() + max_throttle
        if self._throttled_until is not None and self._throttled_until > throttle_deadline:
            raise ThrottleTooLongError(self.throttle_left)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Slot | None] = loop.create_future()
        queue = self._waiting[priority]
        queue[future] = throttle_deadline
        timer = None if timeout is None else loop.call_later(timeout, _stop_waiting, future)
        if self._throttled_until is not None:
            self._resume()
        elif priority == "interactive":
            self._announce()
        try:
            slot = await future
        except asyncio.CancelledError:
            if not future.cancelled() and (granted := future.result()) is not None:
                self.release(granted)
            raise
        finally:
            queue.pop(future, None)
            if timer is not None:
                timer.cancel()
        if slot is not None:
            return slot
        if self._throttled_until is not None and self._throttled_until > throttle_deadline:
            raise ThrottleTooLongError(self.throttle_left)
        raise TimeoutError

    def release(self, slot: Slot) -> None:
        """Return a slot; one from before a `reset` is ignored."""
        self._held.discard(slot)
        if self._waiting["interactive"] or self._waiting["bulk"]:
            self._grant_slots()

    def reset(self) -> None:
        """Forget the slots and waiting requests of a closed event loop; keep the limit."""
        self._held.clear()
        for queue in self._waiting.values():
            queue.clear()
        self._resuming = None

    def on_success(self) -> None:
        """Note that a request was not rejected: if all slots are in use, the limit can grow."""
        if len(self._held) < self._allowed or self._limit >= self._maximum:
            if self._share < 1 and self._probing:
                # No probe is needed: the share is that of the number which was just in flight.
                self._ceiling = max(self._ceiling, len(self._held))
                self._settle()
        elif len(self._held) > self._allowed:
            pass  # more than allowed were in flight before, which says nothing about the limit
        elif self._growing or self._clock() >= self._next_growth():
            self._grow()

    def on_rejected(self, slot: Slot, maximum: int | None = None) -> None:
        """Note that a request was rejected with a concurrency 429. Call it before the slot is released.

        Args:
            slot: The slot of the rejected request.
            maximum: The service's limit, if the response has it.
        """
        if self._allotted is not None and maximum is not None:
            self.stated, maximum = maximum, None  # the limit of all processes
        self._adapt_to_rejection(slot, maximum)
        self._announce()

    def _adapt_to_rejection(self, slot: Slot, maximum: int | None) -> None:
        if slot.cuts < self._cuts:
            if maximum is None:
                # It was in flight when the limit was cut, and was counted as not rejected.
                self._note_served(self._served - 1)
                if not self._yielding:
                    self._limit = min(self._limit, max(self._floor, self._served))
                self._update()
            return
        probed, before = self._probing, self._ceiling
        stated = maximum if maximum is not None and maximum < self._limit else None
        self._ceiling_before = before
        self._note_served(len(self._held) - 1 if stated is None else stated)
        no_more_room = probed and 0.9 * before - 1 <= self._served <= 1.1 * before + 1
        plan = self._plan
        if probed or not self._is_divided:
            interval = self._probe_interval
            self._probe_interval = min(2 * interval, plan.max_interval) if no_more_room else plan.min_interval
        self._yielding = not probed and (self._share < 1 or slot.priority == "bulk")
        self._floor = max(1.0, _MAX_CUT * self._limit)
        if stated is not None:
            self._limit = float(stated)
        elif self._yielding:
            # Where the limit is divided, one slot: it was a probe of another process, or the others yield as well.
            self._limit = max(1.0, self._served if self._is_divided else _YIELD * self._limit)
        else:
            self._limit = min(self._limit, max(self._floor, self._served if self._share == 1 else self._ceiling))
        if maximum is not None:
            self._ceiling = float(maximum)
        self._cuts += 1
        self._settle()

    def raise_maximum(self, maximum: int) -> None:
        """Raise the upper bound of the limit, which grows to it while requests succeed."""
        self._maximum = max(self._maximum, maximum)

    def allot(self, slots: int, change: float, *, may_probe: bool, is_divided: bool = True) -> None:
        """Use a part of a limit that is divided between processes.

        Args:
            slots: The number of requests that can be in flight, except for probes.
            change: How much more room there is for this process in the service's limit than before.
            may_probe: Whether to probe; for one process at a time.
            is_divided: Whether other processes have parts of the limit, by default True.
        """
        before = self.estimate
        if may_probe and not self._may_probe and self._cuts:
            self._grow_at = self._clock() + self._probe_interval
        self._allotted, self._may_probe, self._is_divided = slots, may_probe, is_divided
        self._ceiling = max(0.0, before + change)
        if self._yielding and self._limit < before:
            self._limit = max(1.0, self._limit / before * self._ceiling)
        else:
            self._limit = self._ceiling + (self._limit - before if self._growing and may_probe else 0.0)
        self._growing = self._growing and may_probe
        self._update()

    def throttle(self, seconds: float) -> None:
        """Start no requests for this many seconds, at most 15 minutes. Pauses do not add up."""
        until = self._clock() + min(seconds, _MAX_THROTTLE_SECS)
        if self._throttled_until is not None and until <= self._throttled_until:
            return
        self._throttled_until = until
        waiting = [*self._waiting["interactive"].items(), *self._waiting["bulk"].items()]
        for future, throttle_deadline in waiting:
            if throttle_deadline < until:
                _stop_waiting(future)
        if waiting:
            self._resume()
        self._announce()

    @property
    def _probing(self) -> bool:
        """Whether the limit is above the estimate of the service's limit."""
        return self._growing and self._limit >= self._ceiling

    def _announce(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def _next_growth(self) -> float:
        if not self._may_probe and not (self._yielding and self._limit < self._ceiling):
            return math.inf
        if len(self._waiting["interactive"]) <= self._queued:
            return self._grow_at
        return min(self._grow_at, self._settled_at + _PROBE_SECS_WHILE_QUEUE_GROWS)

    def _grow(self) -> None:
        if self._yielding and self._limit < self._ceiling:
            self._limit = min(self._limit + max(1.0, _RECOVERY * self._limit), self._ceiling)
            if self._limit == self._ceiling:
                self._yielding = False
                self._settle()
            else:
                self._grow_at = self._clock() + _RECOVERY_SECS
        else:
            self._growing = True
            self._limit = min(self._limit + _GROWTH_PER_SUCCESS, float(self._maximum))
        self._update()

    def _note_served(self, served: float) -> None:
        self._served = max(0.0 if self._is_divided else 1.0, served)  # another process may have the whole limit
        before = self._ceiling_before
        less = min(0.0, self._served - before)
        self._ceiling = before + self._plan.decay * less if less else self._served

    def _settle(self) -> None:
        """Keep the limit until the next probe."""
        self._growing = False
        self._queued = len(self._waiting["interactive"])
        self._settled_at = self._clock()
        self._grow_at = self._settled_at + (self._plan.min_interval if self._yielding else self._probe_interval)
        self._update()

    def _update(self) -> None:
        whole = self._share == 1 or self._probing
        self._allowed = int(self._limit) if whole else math.ceil(self._share * self._limit)
        if self._allotted is not None and not self._probing:
            self._allowed = min(self._allowed, self._allotted)
        self._allowed = min(self._allowed, self._maximum)
        self._grant_slots()

    def _take(self, priority: Priority) -> Slot:
        slot = Slot(priority, self._cuts)
        self._held.add(slot)
        return slot

    def _grant_slots(self) -> None:
        """Give free slots to waiting requests."""
        if self._throttled_until is not None:
            return
        for priority, queue in self._waiting.items():
            while queue and len(self._held) < self._allowed:
                future, _ = queue.popitem(last=False)
                if not future.done():
                    future.set_result(self._take(priority))

    def _resume(self) -> None:
        """Give slots to waiting requests when the pause has ended."""
        if self._resuming is not None:
            self._resuming.cancel()
        self._resuming = None
        if left := self.throttle_left:
            self._resuming = asyncio.get_running_loop().call_later(left, self._resume)
        else:
            self._throttled_until = None
            self._grant_slots()


def _stop_waiting(future: asyncio.Future[Slot | None]) -> None:
    if not future.done():
        future.set_result(None)
