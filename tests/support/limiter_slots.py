"""Take and release the slots of a limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convai_async._transport.limiter import ConcurrencyLimiter, Priority, Slot


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
    for _ in range(100 * limit):
        if limiter.limit >= limit:
            return slots
        limiter.on_success()
        slots += fill(limiter)
    raise AssertionError(f"the limit stays at {limiter.limit}")


def release(limiter: ConcurrencyLimiter, slots: list[Slot]) -> None:
    while slots:
        limiter.release(slots.pop())
