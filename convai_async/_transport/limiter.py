"""Limit how many requests are in flight, and find the service's own limit.

The service refuses requests over its concurrency limit with a 429, and publishes no number. The limit here grows
while requests succeed. When one is refused, it steps back to the number that was not refused, and tries more after a
pause, which doubles each time that there is no more room.

Other processes with the same key use the same limit of the service. A request that is refused although no more than
before were in flight says that they have taken room: then the pause is short, since they will give it back. Bulk
requests leave them a quarter of the limit, and take it back slowly. A limiter with a share tries the whole limit,
too, but only to learn it, and more rarely.
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

_START = 8
_GROWTH_PER_SUCCESS = 0.5  # each of a round trip's requests adds this much: half again in a round trip
_MOST_CUT = 0.5
_YIELD = 0.75
_RECOVERY = 0.1
_RECOVERY_SECS = 0.5
_PROBE_SECS_WHILE_QUEUE_GROWS = 1.0
_MAX_THROTTLE_SECS = 15 * 60.0


class _Probing(msgspec.Struct, frozen=True):
    """How to look for more room.

    Attributes:
        first: Seconds until the first probe after a change.
        longest: Seconds between probes that find no more room.
        forgetting: How much of the difference a smaller number counts that was served.
    """

    first: float
    longest: float
    forgetting: float


_WHOLE = _Probing(first=0.5, longest=10.0, forgetting=0.5)
_SHARED = _Probing(first=1.0, longest=30.0, forgetting=0.125)  # each probe takes room from other processes


class Slot(msgspec.Struct, eq=False):
    """Permission to have one request in flight.

    Attributes:
        priority: Of which priority the request is.
        cuts: How often the limit had been cut when the slot was taken.
    """

    priority: Priority
    cuts: int


class ThrottleTooLongError(Exception):
    """A pause lasts longer than a request may wait.

    Attributes:
        seconds: How much longer it lasts.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class ConcurrencyLimiter:
    """Limits the requests in flight of all tasks that share it.

    Acquire a slot before a request, and release it after reading the reply. Interactive waiters are served before
    bulk ones, and those of one priority in order.

    Args:
        maximum: The most requests that may ever be in flight.
        share: The share of the service's limit to use, more than 0 and at most 1.
        clock: Returns seconds.
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
        self._limit = float(min(_START, maximum))  # of which the share is used, unless probing
        self._ceiling = 0.0  # as many fit when other processes leave room
        self._ceiling_before = 0.0
        self._served = 0.0  # in flight and not refused, at the last refusal
        self._floor = 0.0
        self._cuts = 0
        self._growing = True
        self._yielding = False
        self._probing_plan = _WHOLE if share == 1 else _SHARED
        self._probe_interval = self._probing_plan.first
        self._settled_at = 0.0
        self._grow_at = 0.0
        self._queued = 0  # interactive waiters when the limit was settled
        self._throttled_until: float | None = None
        self._resuming: asyncio.TimerHandle | None = None
        self._allowed = int(self._limit)

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self._allowed

    @property
    def in_flight(self) -> int:
        """How many requests are in flight now."""
        return len(self._held)

    @property
    def throttle_left(self) -> float:
        """Seconds until the pause ends that the service asked for; 0 when there is none."""
        return 0.0 if self._throttled_until is None else max(0.0, self._throttled_until - self._clock())

    def acquire_nowait(self, priority: Priority = "interactive") -> Slot | None:
        """Take a slot if one is free, nobody is waiting for it, and there is no pause; else return None."""
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
            priority: Interactive waiters are served before bulk ones.
            timeout: Seconds to wait in all; None means no limit.
            max_throttle: The longest pause to wait for, in seconds from now; None means no limit.

        Raises:
            ThrottleTooLongError: A pause lasts longer than ``max_throttle``.
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
        timer = None if timeout is None else loop.call_later(timeout, _give_up, future)
        if self._throttled_until is not None:
            self._resume()
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
        """Give a slot back; one from before a `reset` is ignored."""
        self._held.discard(slot)
        if self._waiting["interactive"] or self._waiting["bulk"]:
            self._serve()

    def reset(self) -> None:
        """Forget slots and waiters that belong to an event loop which is closed; keep what was learned."""
        self._held.clear()
        for queue in self._waiting.values():
            queue.clear()
        self._resuming = None

    def on_success(self) -> None:
        """Learn from a request that the service let through: with every slot in use, try for more."""
        if len(self._held) < self._allowed or self._limit >= self._maximum:
            if self._share < 1 and self._probing:
                # More is not needed, and not tried: the share is one of what is known to fit.
                self._ceiling = max(self._ceiling, len(self._held))
                self._settle()
        elif self._growing or self._clock() >= self._next_growth():
            self._grow()

    def on_rejected(self, slot: Slot, maximum: int | None = None) -> None:
        """Learn from a concurrency 429: so many in flight were too many. Call it before releasing the slot.

        Args:
            slot: The refused request's.
            maximum: The service's limit, if the reply states it.
        """
        if slot.cuts < self._cuts:
            if maximum is None:
                # It was in flight when the limit was cut, and counted as served.
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
        plan = self._probing_plan
        self._probe_interval = min(2 * self._probe_interval, plan.longest) if no_more_room else plan.first
        self._yielding = not probed and (self._share < 1 or slot.priority == "bulk")
        self._floor = max(1.0, _MOST_CUT * self._limit)
        if stated is not None:
            self._limit = float(stated)
        elif self._yielding:
            self._limit = max(1.0, _YIELD * self._limit)
        else:
            self._limit = min(self._limit, max(self._floor, self._served if self._share == 1 else self._ceiling))
        if maximum is not None:
            self._ceiling = float(maximum)
        self._cuts += 1
        self._settle()

    def throttle(self, seconds: float) -> None:
        """Start no request for this long, a quarter of an hour at most; pauses do not add up.

        One wrong reply must not stop all requests for longer. A service that needs more time asks again.
        """
        until = self._clock() + min(seconds, _MAX_THROTTLE_SECS)
        if self._throttled_until is not None and until <= self._throttled_until:
            return
        self._throttled_until = until
        waiting = [*self._waiting["interactive"].items(), *self._waiting["bulk"].items()]
        for future, throttle_deadline in waiting:
            if throttle_deadline < until:
                _give_up(future)
        if waiting:
            self._resume()

    @property
    def _probing(self) -> bool:
        """Whether more is tried than is known to fit."""
        return self._growing and self._limit >= self._ceiling

    def _next_growth(self) -> float:
        if len(self._waiting["interactive"]) <= self._queued:
            return self._grow_at
        return min(self._grow_at, self._settled_at + _PROBE_SECS_WHILE_QUEUE_GROWS)

    def _grow(self) -> None:
        if self._yielding and self._limit < self._ceiling:
            self._limit = min(self._limit + max(1.0, _RECOVERY * self._limit), self._ceiling)
            if self._limit == self._ceiling:
                self._settle()
            else:
                self._grow_at = self._clock() + _RECOVERY_SECS
        else:
            self._growing = True
            self._limit = min(self._limit + _GROWTH_PER_SUCCESS, float(self._maximum))
        self._update()

    def _note_served(self, served: float) -> None:
        self._served = max(1.0, served)
        before = self._ceiling_before
        less = min(0.0, self._served - before)
        self._ceiling = before + self._probing_plan.forgetting * less if less else self._served

    def _settle(self) -> None:
        """Keep the limit for a while."""
        self._growing = False
        self._queued = len(self._waiting["interactive"])
        self._settled_at = self._clock()
        self._grow_at = self._settled_at + self._probe_interval
        self._update()

    def _update(self) -> None:
        whole = self._share == 1 or self._probing
        self._allowed = int(self._limit) if whole else math.ceil(self._share * self._limit)
        self._serve()

    def _take(self, priority: Priority) -> Slot:
        slot = Slot(priority, self._cuts)
        self._held.add(slot)
        return slot

    def _serve(self) -> None:
        """Give free slots to those who wait."""
        if self._throttled_until is not None:
            return
        for priority, queue in self._waiting.items():
            while queue and len(self._held) < self._allowed:
                future, _ = queue.popitem(last=False)
                if not future.done():
                    future.set_result(self._take(priority))

    def _resume(self) -> None:
        """Serve those who wait when the pause is over."""
        if self._resuming is not None:
            self._resuming.cancel()
        self._resuming = None
        if rest := self.throttle_left:
            self._resuming = asyncio.get_running_loop().call_later(rest, self._resume)
        else:
            self._throttled_until = None
            self._serve()


def _give_up(future: asyncio.Future[Slot | None]) -> None:
    if not future.done():
        future.set_result(None)
