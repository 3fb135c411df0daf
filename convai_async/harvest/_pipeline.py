"""Fetch jobs side by side, and write their results in batches."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from convai_async._support.tasks import task_group
from convai_async.endpoints import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from convai_async._transport.memory import MemoryBudget, Reservation
    from convai_async.harvest._jobs import Job, Result

_LARGEST_BATCH = 100
_LONGEST_WAIT = 0.25
"""Seconds that a result waits for others to be written with it: a transaction for each would be twice the work."""
_GRACE_SECS = 30.0
"""How long what is in flight may take when the run is asked to stop."""


class Pipeline:
    """Two bounded queues: jobs, from which many tasks fetch, and results, from which one writes.

    Args:
        fetch: Does a job; returns None if there is nothing to write.
        store: Writes results.
        memory: Counts what large results take until they are written.
        max_concurrency: The most jobs to do at the same time.
        stop: Set when the run has to end within the grace period.

    Attributes:
        jobs: What is to be fetched.
        results: What is to be written; None is the end.
    """

    def __init__(
        self,
        fetch: Callable[[Job, Reservation], Awaitable[Result | None]],
        store: Callable[[Sequence[Result]], Awaitable[None]],
        memory: MemoryBudget,
        max_concurrency: int,
        stop: anyio.Event,
    ) -> None:
        self.jobs: asyncio.Queue[Job] = asyncio.Queue(2 * max(max_concurrency, MAX_PAGE_SIZE))
        self.results: asyncio.Queue[Result | None] = asyncio.Queue(_LARGEST_BATCH)
        self._fetch = fetch
        self._store = store
        self._memory = memory
        self._max_concurrency = max_concurrency
        self._stop = stop
        self._reserved: set[Reservation] = set()

    async def run(self, produce: Callable[[], Awaitable[None]]) -> None:
        """Work while ``produce`` queues jobs, and until the results of all of them are written.

        An error of any task ends all of them, and is raised as it is.
        """
        try:
            async with task_group() as writing:
                writing.start_soon(self._write_results)
                async with self._bounded_after_stop(), task_group() as fetching:
                    for _ in range(self._max_concurrency):
                        fetching.start_soon(self._fetch_jobs)
                    await produce()
                    await self.jobs.join()
                    fetching.cancel_scope.cancel()
                await self.results.put(None)
        finally:
            self._release(list(self._reserved))  # of what was cancelled

    async def _fetch_jobs(self) -> None:
        while True:
            await self._fetch_next()

    async def _fetch_next(self) -> None:
        # A function: its variables do not keep the last result in memory while the task waits for a job.
        job = await self.jobs.get()
        memory = self._memory.reserve()
        self._reserved.add(memory)
        try:
            result = await self._fetch(job, memory)
            if result is None:
                self._release([memory])
            else:
                await self.results.put(result)
        finally:
            self.jobs.task_done()

    @asynccontextmanager
    async def _bounded_after_stop(self) -> AsyncIterator[None]:
        """Cancel the block if it does not end soon after the run was asked to stop."""
        async with task_group() as watching:
            with anyio.CancelScope() as block:

                async def cancel_block() -> None:
                    await self._stop.wait()
                    await anyio.sleep(_GRACE_SECS)
                    block.cancel()

                watching.start_soon(cancel_block)
                yield
            watching.cancel_scope.cancel()

    async def _write_results(self) -> None:
        while await self._write_batch():
            pass

    async def _write_batch(self) -> bool:
        """Write the next results; return False after the last ones."""
        batch = [await self.results.get()]
        with anyio.move_on_after(_LONGEST_WAIT):
            while batch[-1] is not None and len(batch) < _LARGEST_BATCH:
                batch.append(await self.results.get())
        results = [result for result in batch if result is not None]
        if results:
            await self._store(results)
            self._release(result.memory for result in results)
        return batch[-1] is not None

    def _release(self, reservations: Iterable[Reservation | None]) -> None:
        for reservation in reservations:
            if reservation is not None:
                reservation.release()
                self._reserved.discard(reservation)
