"""Bound the memory that large replies take together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

SMALL_BODY_BYTES = 1024 * 1024
"""Bodies up to this size do not count: most replies are far smaller."""
_COST = 4
"""Bytes of memory for each byte of a large body: the body, its decoded form, and copies on the way to a database."""


class MemoryBudget:
    """Memory that large replies share.

    A reservation grows with the body that it is for. When the budget is used up, growing waits, except for the oldest
    reservation: it always gets what it asks for, so that readers never wait for each other in a circle.

    Args:
        limit: Bytes in all.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[Reservation, int] = {}
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def used(self) -> int:
        """Bytes that are reserved now."""
        return sum(self._held.values())

    def reserve(self) -> Reservation:
        """Return a reservation of nothing yet, to be released by its holder."""
        return Reservation(self)

    def _try_grow(self, reservation: Reservation, size: int) -> bool:
        cost = size * _COST
        held = self._held.setdefault(reservation, 0)
        if self.used - held + cost > self._limit and next(iter(self._held)) is not reservation:
            return False
        self._held[reservation] = cost
        return True

    def _release(self, reservation: Reservation) -> None:
        if self._held.pop(reservation, None) is None:
            return
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _wait_for_release(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)


class Reservation:
    """The memory that one reply takes, until it is released; as a context manager, until its block ends."""

    __slots__ = ("_budget",)

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def try_grow(self, size: int) -> bool:
        """Grow to a body of ``size`` bytes; return whether there was memory for it."""
        return size <= SMALL_BODY_BYTES or self._budget._try_grow(self, size)  # noqa: SLF001 - its other half

    async def grow(self, size: int) -> None:
        """Grow to a body of ``size`` bytes, when there is memory for it."""
        while not self.try_grow(size):
            await self._budget._wait_for_release()  # noqa: SLF001 - its other half

    def release(self) -> None:
        """Give the memory back; the reservation can grow again from nothing."""
        self._budget._release(self)  # noqa: SLF001 - its other half
