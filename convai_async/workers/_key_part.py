"""The part of a key's limit that this process has, and its limiter."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from convai_async.workers._limit_policy import Demand, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async._transport.limiter import ConcurrencyLimiter
    from convai_async.workers._limit_policy import Grant

_logger = logging.getLogger("convai_async.workers")

_RENEWAL_SECS = 2.0
_MIN_RENEWAL_SECS = 0.2
_PEAK_DECAY = 0.5
"""The part of an earlier demand that still counts after a renewal."""


class KeyPart:
    """Tells the limiter of a key what it may use, and the other processes what it notices.

    Until the first renewal it is one request in flight, and after a lease has ended without a renewal half of what it
    was.

    Args:
        limiter: The limiter.
        wake: Called when a renewal is due earlier than before.

    Attributes:
        limiter: The limiter.
        users: The number of clients that use it.
        due_at: When to renew, in the time of the event loop.
    """

    def __init__(self, limiter: ConcurrencyLimiter, wake: Callable[[], None]) -> None:
        self.limiter = limiter
        self.users = 0
        self._wake = wake
        self._slots = 1
        self._room = 1
        self._reported = 0.0
        self._stated: int | None = None
        self._interactive = self._bulk = 0
        self._renewed_at = self.due_at = -math.inf
        self._spacing = _MIN_RENEWAL_SECS
        self._was_notified = False
        self._lease: asyncio.TimerHandle | None = None
        limiter.allot(1, 1 - limiter.estimate, may_probe=False)
        limiter.on_change = self._note_change

    def close(self) -> None:
        """Stop watching the limiter."""
        self.limiter.on_change = None
        if self._lease is not None:
            self._lease.cancel()

    def note_notification(self) -> None:
        """Renew soon, because another process has written."""
        self._was_notified = True
        self._renew_in(_MIN_RENEWAL_SECS)

    def take_report(self) -> Report:
        """Return what the limiter noticed since the last renewal, and forget it."""
        self._reported = self.limiter.estimate
        if self.limiter.stated is not None:
            self._stated, self.limiter.stated = self.limiter.stated, None
        demand = self.limiter.count_demand()
        self._interactive = max(demand["interactive"], int(self._interactive * _PEAK_DECAY))
        self._bulk = max(demand["bulk"], int(self._bulk * _PEAK_DECAY))
        return Report(
            room=self._room,
            estimate=self._reported,
            stated=self._stated,
            in_flight=self.limiter.in_flight,
            is_waiting=sum(demand.values()) > self.limiter.in_flight,
            is_growing=self.limiter.is_growing,
            demand=Demand(
                interactive=self._interactive,
                bulk=self._bulk,
                maximum=self.limiter.maximum,
                share=self.limiter.share,
            ),
        )

    def shrink(self, grant: Grant) -> None:
        """Use no more than the coming grant, before the rest is written as free."""
        if grant.slots < self._slots:
            self._slots = grant.slots
            self.limiter.allot(grant.slots, 0.0, may_probe=False, is_divided=grant.is_divided)

    def should_notify(self, grant: Grant) -> bool:
        """Return whether other processes should renew now."""
        # Two processes that lack slots must not wake each other alternately.
        return grant.frees_slots or (grant.lacks_slots and not self._was_notified)

    def apply(self, grant: Grant, *, lease_end: float) -> None:
        """Use what was granted.

        Args:
            grant: The grant.
            lease_end: When it ends, in the time of the event loop.
        """
        loop = asyncio.get_running_loop()
        is_draining = self.limiter.in_flight > grant.slots
        is_settled = grant.slots == self._slots and not is_draining
        self._spacing = min(2 * self._spacing, _RENEWAL_SECS) if is_settled else _MIN_RENEWAL_SECS
        self._was_notified = False
        self._stated = None
        # The limiter may have noticed something since the report: that stays.
        self.limiter.allot(
            grant.slots, grant.room - self._reported, may_probe=grant.may_probe, is_divided=grant.is_divided
        )
        self._slots, self._room = grant.slots, grant.room
        self._renewed_at = loop.time()
        self.due_at = self._renewed_at + (_MIN_RENEWAL_SECS if is_draining else _RENEWAL_SECS)
        if self._lease is not None:
            self._lease.cancel()
        self._lease = loop.call_at(lease_end, self._fall_back)

    def _note_change(self) -> None:
        self._renew_in(_MIN_RENEWAL_SECS if self.limiter.throttle_left else self._spacing)

    def _renew_in(self, seconds: float) -> None:
        """Renew when this many seconds have passed since the last renewal, if that is earlier than planned."""
        due_at = self._renewed_at + seconds
        if due_at < self.due_at:
            self.due_at = due_at
            self._wake()

    def _fall_back(self) -> None:
        _logger.warning("the limit of an API key was not shared for too long: half of the last part is used")
        self._slots = max(1, self._slots // 2)
        self.limiter.allot(self._slots, 0.0, may_probe=False)
