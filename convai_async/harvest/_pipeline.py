"""Fetch jobs concurrently, and write their results in batches."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from convai_async._support.tasks import task_group
from convai_async.endpoints import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from anyio.abc import TaskGroup

    from convai_async._transport.memory import MemoryBudget, Reservation
    from convai_async.harvest._jobs import Job, Result
    from convai_async.harvest._stopping import Waits

_LARGEST_BATCH = 100
_LONGEST_WAIT = 0.25
"""Seconds that a result waits to be written together with others, since one transaction for each is slow."""
_GRACE_SECS = 30.0
"""The time in which requests in flight must finish after the run was stopped."""


class Pipeline:
    """Two bounded queues: many tasks fetch the jobs, and one task writes the results.

    Args:
        fetch: Fetches a job; returns None if there is nothing to write.
        store: Writes results.
        memory: Counts the memory of large results until they are written.
        max_concurrency: The maximum number of jobs that are fetched at the same time.
        waits: End when the run is stopped. Then requests in flight have the grace period to finish.

    Attributes:
        jobs: The queue of jobs to fetch.
        results: The queue of results to write; None marks its end.
    """

    def __init__(
        self,
        fetch: Callable[[Job, Reservation], Awaitable[Result | None]],
        store: Callable[[Sequence[Result]], Awaitable[None]],
        memory: MemoryBudget,
        max_concurrency: int,
        waits: Waits,
    ) -> None:
        self.jobs: asyncio.Queue[Job] = asyncio.Queue(2 * max(max_concurrency, MAX_PAGE_SIZE))
        self.results: asyncio.Queue[Result | None] = asyncio.Queue(_LARGEST_BATCH)
        self._fetch = fetch
        self._store = store
        self._memory = memory
        self._max_concurrency = max_concurrency
        self._fetchers = 0
        self._waits = waits
        self._reserved: set[Reservation] = set()

    async def run(self, produce: Callable[[], Awaitable[None]]) -> None:
        """Fetch the jobs that ``produce`` queues, until all of their results are written.

        An error in one task cancels the others, and is raised unchanged.
        """
        try:
            async with task_group() as writing:
                writing.start_soon(self._write_results)
                async with self._bounded_after_stop(), task_group() as fetching:
                    self._fetchers = 0
                    self._start_fetcher(fetching)
                    await produce()
                    await self.jobs.join()
                    fetching.cancel_scope.cancel()
                await self.results.put(None)
        finally:
            self._release(list(self._reserved))  # those of cancelled tasks

    def _start_fetcher(self, group: TaskGroup) -> None:
        """Start a task that fetches jobs, unless there are enough. Each starts the next one when it has a job.

        So few tasks are started for few jobs: they would take most of the time of a run that finds nothing new.
        """
        if self._fetchers < self._max_concurrency:
            self._fetchers += 1
            group.start_soon(self._fetch_jobs, group)

    async def _fetch_jobs(self, group: TaskGroup) -> None:
        while True:
            await self._fetch_next(group)

    async def _fetch_next(self, group: TaskGroup) -> None:
        # A function: its variables do not keep the last result in memory while the task waits for a job.
        job = await self.jobs.get()
        self._start_fetcher(group)
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
        """Cancel the block if it does not end within the grace period after the run was stopped."""
        async with task_group() as watching:
            with anyio.CancelScope() as block:

                async def cancel_block() -> None:
                    await self._waits.end_when_stopped()
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
