"""Limit the memory that large responses take together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

SMALL_BODY_BYTES = 1024 * 1024
"""Bodies up to this size are not counted, and are decoded in the event loop. Most responses are much smaller."""
_MEMORY_PER_BYTE = 4
"""Bytes of memory for each byte of a large body: the body, the decoded document, and copies for a database."""


class MemoryBudget:
    """The memory that large responses share.

    A reservation grows with the body that is read. When all memory is reserved, growing waits. Only the oldest
    reservation never waits, so that there is no deadlock.

    Args:
        limit: The size in bytes.
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
        """Return an empty reservation, which the caller must release."""
        return Reservation(self)

    def _try_grow(self, reservation: Reservation, size: int) -> bool:
        cost = size * _MEMORY_PER_BYTE
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
    """The memory of one response until it is released. As a context manager, it is released when the block ends."""

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
        """Reserve memory for a body of ``size`` bytes in all; return whether there was enough."""
        return size <= SMALL_BODY_BYTES or self._budget._try_grow(self, size)  # noqa: SLF001 - its other half

    async def grow(self, size: int) -> None:
        """Reserve memory for a body of ``size`` bytes in all; wait until there is enough."""
        while not self.try_grow(size):
            await self._budget._wait_for_release()  # noqa: SLF001 - its other half

    def release(self) -> None:
        """Release all memory of the reservation, which can be used again."""
        self._budget._release(self)  # noqa: SLF001 - its other half
