"""How many requests may be in flight at once: a limit that finds the service's own.

The service refuses what is over its concurrency limit with a 429, and publishes no number. So the limit here
grows while requests succeed, steps back below the point at which one was refused, and from there tries
one more ever more rarely.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_START = 8
_GROWTH_PER_SUCCESS = 0.5  # each of a round trip's requests adds this much: half again in a round trip
_FIRST_PROBE_PAUSE = 0.5
_LONGEST_PROBE_PAUSE = 30.0
_LONGEST_PAUSE = 15 * 60.0


class Slot(msgspec.Struct, eq=False):
    """The right to have one request in flight.

    Attributes:
        in_flight: Requests in flight when this one was let go, itself included.
    """

    in_flight: int


class LongPauseError(Exception):
    """A pause lasts longer than somebody wants to wait.

    Attributes:
        seconds: How much longer it lasts.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class ConcurrencyLimiter:
    """Bounds the requests in flight, for all tasks that share it.

    A slot is acquired before a request, and released after its reply was read. Waiters are served in order.

    Args:
        maximum: The most that may ever be in flight.
        clock: Tells seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        maximum: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._maximum = maximum
        self._clock = clock
        self._sleep = sleep
        self._limit = float(min(_START, maximum))
        self._slots = anyio.CapacityLimiter(int(self._limit))
        self._growing = True
        self._ceiling = maximum
        self._probe_at = 0.0
        self._probe_pause = _FIRST_PROBE_PAUSE
        self._paused_until: float | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """How many requests are in flight now."""
        return int(self._slots.borrowed_tokens)

    @property
    def pause_left(self) -> float:
        """Seconds until the pause ends that the service asked for; 0 when there is none."""
        return 0.0 if self._paused_until is None else max(0.0, self._paused_until - self._clock())

    async def acquire(self, patience: float | None = None) -> Slot:
        """Wait for a pause to end and for a free slot, and take it.

        Args:
            patience: Seconds that a pause may last; None is no bound.

        Raises:
            LongPauseError: The pause lasts longer.
        """
        slot = Slot(0)
        while True:
            while self._paused_until is not None:
                if patience is not None and self.pause_left > patience:
                    raise LongPauseError(self.pause_left)
                await self._sit_out_pause()
            try:
                self._slots.acquire_on_behalf_of_nowait(slot)
            except anyio.WouldBlock:
                await self._slots.acquire_on_behalf_of(slot)
            if self._paused_until is None:
                slot.in_flight = self._slots.borrowed_tokens
                return slot
            self.release(slot)  # a pause began while this one waited for its turn

    def release(self, slot: Slot) -> None:
        """Give a slot back."""
        self._slots.release_on_behalf_of(slot)

    def succeeded(self) -> None:
        """Learn from a request that the service let through: with every slot in use, try for more."""
        if self._limit >= self._maximum or self.in_flight < self.limit:
            return
        if not self._growing:
            if self._clock() < self._probe_at:
                return
            self._growing = True
        self._set_limit(min(self._limit + _GROWTH_PER_SUCCESS, float(self._maximum)))

    def refused(self, slot: Slot) -> None:
        """Learn from a concurrency 429: so many in flight were too many.

        A probe that found nothing above the known ceiling doubles the pause before the next one.
        """
        fitting = max(1, slot.in_flight - 1)
        if fitting >= self.limit and not self._growing:
            return  # an echo of a cut that was already made
        if self._growing:
            found_room = fitting > self._ceiling
            longer = min(2 * self._probe_pause, _LONGEST_PROBE_PAUSE)
            self._probe_pause = _FIRST_PROBE_PAUSE if found_room else longer
        self._growing = False
        self._ceiling = fitting
        self._probe_at = self._clock() + self._probe_pause
        self._set_limit(min(self._limit, float(fitting)))

    def pause(self, seconds: float) -> None:
        """Let nobody start for this long, a quarter of an hour at most; pauses do not add up.

        One mistaken reply must not silence everybody for longer. A service that means more says so again.
        """
        until = self._clock() + min(seconds, _LONGEST_PAUSE)
        if self._paused_until is None or until > self._paused_until:
            self._paused_until = until

    async def _sit_out_pause(self) -> None:
        rest = self.pause_left
        if rest > 0:
            await self._sleep(rest)
        else:
            self._paused_until = None

    def _set_limit(self, limit: float) -> None:
        self._limit = limit
        self._slots.total_tokens = int(limit)
