"""One run of the harvest: its phases, and the tasks that they share."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio
from anyio.to_thread import run_sync

from convai_async._support.tasks import task_group
from convai_async.archive import _recordings
from convai_async.archive._lookups import Scope
from convai_async.archive._records import ConversationUpdate, DeletionUpdate, Failure, RecordingUpdate, Update
from convai_async.archive._windows import BEGINNING, Window, without
from convai_async.endpoints import MAX_PAGE_SIZE
from convai_async.harvest._fetching import Fetcher
from convai_async.harvest._intake import Intake
from convai_async.harvest._jobs import Job, Outcome, completed
from convai_async.harvest._listing import ListReader, RangeScheduler
from convai_async.harvest._outages import OutageGuard, StopRequested
from convai_async.harvest._pruning import Pruning
from convai_async.harvest._report import HarvestReport
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
    from datetime import timedelta

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from convai_async._transport.memory import Reservation
    from convai_async.archive._writer import ArchiveWriter
    from convai_async.client import ConvAIClient

    Produce = Callable[[MemoryObjectSendStream[Job], MemoryObjectSendStream[Outcome]], Coroutine[Any, Any, None]]

_LARGEST_BATCH = 100
_LONGEST_WAIT = 0.25
"""Seconds that an outcome waits for others to be written with it: a transaction for each would be twice the work."""
_GRACE_SECS = 30.0
"""How long what is in flight may take when the run is asked to stop."""
LISTERS = 16
_EVERYTHING = Scope(Window(BEGINNING, None))


class Harvester:
    """One harvest: its phases, and what their tasks share."""

    def __init__(  # noqa: PLR0913 - what its tasks share
        self,
        client: ConvAIClient,
        archive: ArchiveWriter,
        scope: Scope,
        *,
        limit: int | None,
        prune: Literal["mark", "remove"] | None,
        prune_limit: float,
        max_concurrency: int,
        progress: Callable[[HarvestReport], None] | None,
        stop: anyio.Event | None,
    ) -> None:
        self.report = HarvestReport()
        self._client = client
        self._archive = archive
        self._scope = scope
        self._prune = prune
        self._prune_limit = prune_limit
        self._max_concurrency = max_concurrency
        self._progress = progress
        self._stop = stop or anyio.Event()
        self._started = time.monotonic()
        self._guard = OutageGuard(client, self._stop, self._note_wait)
        self._fetcher = Fetcher(self._guard, archive.path)
        self._intake = Intake(archive, scope, self.report, self._count, limit=limit, find_absent=prune is not None)
        self._reader = ListReader(scope, self._guard, self._intake, self._stop)
        self._pruning: Pruning | None = None
        self._scheduler = RangeScheduler([])
        self._memory = client._engine.session.memory  # noqa: SLF001 - what waits to be written counts too
        self._reserved: set[Reservation] = set()

    async def harvest(self, lookback: timedelta, *, audio: bool) -> HarvestReport:
        """List, fetch and write until everything is done, or until it is asked to stop."""
        run_id = await run_sync(self._archive.begin_run)
        if self._prune is not None:
            self._pruning = Pruning(self._prune_limit, await run_sync(self._archive.count_conversations))
        newest = await run_sync(self._archive.newest_start)
        again_from = BEGINNING if newest is None else min(newest, int(time.time())) - int(lookback.total_seconds())
        await self._read_list(again_from)
        await self._fetch_unfinished()
        await self._apply_pruning()
        if audio:
            await self._fetch_audio(again_from)
        self.report.interrupted = self._stop.is_set()
        self._count()
        await run_sync(self._archive.end_run, run_id, self.report)
        await run_sync(self._archive.scrub)
        return self.report

    async def _read_list(self, again_from: int) -> None:
        done = await run_sync(self._archive.windows, self._scope.agent_id)
        done = [Window(window.start, min(window.end or again_from, again_from)) for window in done]
        await self._list_and_fetch(without(self._scope.window, done))
        newest = self._intake.newest
        ended = self._stop.is_set() or self._intake.satisfied
        if self._scope.window.end is None and newest is not None and not ended:
            # Calls that started since the list was begun.
            await self._list_and_fetch([Window(newest + 1, None)])
        self.report.listed = not self._stop.is_set() and not self._intake.unreadable_ranges
        if self.report.listed and not self._intake.limited and self._scope == _EVERYTHING:
            await run_sync(self._archive.keep_list_failures, self._intake.unread_lines)
        if self._intake.satisfied and self.report.reached_unix_secs is not None:
            self._scope = Scope(Window(self.report.reached_unix_secs, self._scope.window.end), self._scope.agent_id)

    async def _list_and_fetch(self, windows: Iterable[Window]) -> None:
        self._scheduler = RangeScheduler(windows)

        async def produce(jobs: MemoryObjectSendStream[Job], outcomes: MemoryObjectSendStream[Outcome]) -> None:
            self._intake.send_to(jobs, outcomes)
            # To find the newest conversations, the list is read by one.
            listers = 1 if self._intake.limited else min(LISTERS, self._max_concurrency)
            async with task_group() as group:
                for _ in range(listers):
                    group.start_soon(read)

        async def read() -> None:
            with suppress(StopRequested):
                await self._reader.run(self._scheduler)

        await self._work(produce)

    async def _fetch_unfinished(self) -> None:
        unfinished = await run_sync(self._archive.unfinished, self._scope)
        again = [summary for summary in unfinished if summary.conversation_id not in self._intake.settled]
        self._count(found=len(again))
        await self._work_off(Job(summary, listed=False) for summary in again)

    async def _fetch_audio(self, ask_again_since: int) -> None:
        ids = await run_sync(lambda: self._archive.without_audio(self._scope, ask_again_since=ask_again_since))
        await run_sync(_recordings.make_folder, self._archive.path, ids)
        await self._work_off(Job(ConversationSummary(conversation_id=each), "audio") for each in ids)

    async def _work_off(self, every: Iterable[Job]) -> None:
        async def produce(jobs: MemoryObjectSendStream[Job], _: MemoryObjectSendStream[Outcome]) -> None:
            for job in every:
                await jobs.send(job)

        await self._work(produce)

    async def _apply_pruning(self) -> None:
        if self._pruning is None:
            return
        if self._pruning.refused:
            self.report.not_pruned = len(self._pruning.ids)
            return
        outcomes = self._pruning.outcomes
        for first in range(0, len(outcomes), _LARGEST_BATCH):
            await self._store(outcomes[first : first + _LARGEST_BATCH])

    async def _work(self, produce: Produce) -> None:
        """Fetch what ``produce`` sends, and write what comes of it."""
        to_fetch, wanted = anyio.create_memory_object_stream[Job](2 * max(self._max_concurrency, MAX_PAGE_SIZE))
        to_write, outcomes = anyio.create_memory_object_stream[Outcome](_LARGEST_BATCH)
        try:
            # A receiver outlives the tasks: closing it earlier would fail those that still send.
            async with outcomes, wanted, task_group() as group, to_write:
                group.start_soon(self._write, outcomes)
                async with self._bounded_after_stop(), to_fetch, task_group() as workers:
                    for _ in range(self._max_concurrency):
                        workers.start_soon(self._fetch, wanted, to_write)
                    await produce(to_fetch, to_write)
                    to_fetch.close()
        finally:
            self._release(list(self._reserved))  # of what was cancelled

    async def _fetch(self, wanted: MemoryObjectReceiveStream[Job], to_write: MemoryObjectSendStream[Outcome]) -> None:
        async for job in wanted:
            if self._stop.is_set() or (job.kind == "presence" and self._pruning_is_refused):
                continue
            memory = self._memory.reserve()
            self._reserved.add(memory)
            try:
                update = await self._fetcher.fetch(job, memory)
            except StopRequested:
                self._release([memory])
                continue
            if isinstance(update, DeletionUpdate) and self._pruning is not None:
                self._pruning.add(update, job.progress)
                self._release([memory])
            else:
                await to_write.send(Outcome(update, job.progress, memory))

    @property
    def _pruning_is_refused(self) -> bool:
        return self._pruning is not None and self._pruning.refused

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

    async def _write(self, outcomes: MemoryObjectReceiveStream[Outcome]) -> None:
        async for first in outcomes:
            batch = [first]
            with anyio.move_on_after(_LONGEST_WAIT), suppress(anyio.EndOfStream):
                while len(batch) < _LARGEST_BATCH:
                    batch.append(await outcomes.receive())
            await self._store(batch)
            self._release(outcome.memory for outcome in batch)

    def _release(self, reservations: Iterable[Reservation | None]) -> None:
        for reservation in reservations:
            if reservation is not None:
                reservation.release()
                self._reserved.discard(reservation)

    async def _store(self, outcomes: Sequence[Outcome]) -> None:
        updates = [outcome.update for outcome in outcomes if outcome.update is not None]
        store = partial(self._archive.store, agent_id=self._scope.agent_id, forget=self._prune == "remove")
        windows = _completed(outcomes)
        if updates or windows:
            await run_sync(store, updates, windows)
        self._settle(updates)
        # Readings that began to wait for one of these while it was being written.
        if windows := _completed(outcomes):
            await run_sync(store, [], windows)

    def _settle(self, updates: list[Update]) -> None:
        """Note what was written."""
        fetched = [item for item in updates if isinstance(item, ConversationUpdate)]
        failures = [item for item in updates if isinstance(item, Failure)]
        recordings = [item.audio for item in updates if isinstance(item, RecordingUpdate) and item.audio is not None]
        self._intake.settled |= {item.conversation_id for item in fetched if not item.final}
        self._intake.settled |= {item.conversation_id for item in failures}
        for item in updates:
            self._intake.pending.pop(item.conversation_id, None)
        self._count(
            fetched=len(fetched),
            failed=len(failures),
            deleted=sum(isinstance(item, DeletionUpdate) for item in updates),
            undecodable=sum(item.undecodable for item in fetched),
            recordings=len(recordings),
            bytes=sum(item.size for item in fetched) + sum(audio.size for audio in recordings),
        )

    def _note_wait(self, problem: str | None, until_unix_secs: int | None) -> None:
        self.report.waiting_for, self.report.waiting_until_unix_secs = problem, until_unix_secs
        self._count()

    def _count(self, **more: int) -> None:
        for name, number in more.items():
            setattr(self.report, name, getattr(self.report, name) + number)
        self.report.seconds = time.monotonic() - self._started
        self.report.concurrency = self._client.concurrency
        self.report.to_list = round(self._scheduler.expected())
        if self._progress is not None:
            self._progress(self.report)


def _completed(outcomes: Iterable[Outcome]) -> list[Window]:
    return [window for outcome in outcomes for window in completed(outcome.progress)]
