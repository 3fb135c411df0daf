"""Run the phases of a harvest.

Listers read ranges of the list (`_listing`), the intake queues the conversations to fetch (`_intake`), many tasks fetch
them (`_fetching`), and one task writes the results (`_pipeline`). The queues between them are bounded, so memory does
not grow with the number of conversations. A range is recorded as read together with the last of its conversations
(`_ledger`).
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal

from anyio.to_thread import run_sync

from convai_async.archive import ArchiveError
from convai_async.archive._lookups import Scope
from convai_async.archive._records import ConversationUpdate, DeletionUpdate
from convai_async.archive._windows import BEGINNING, Window, subtract_windows
from convai_async.harvest._fetching import fetch
from convai_async.harvest._intake import Intake
from convai_async.harvest._jobs import Job, Result
from convai_async.harvest._ledger import Ledger
from convai_async.harvest._listing import LISTERS, ListReader
from convai_async.harvest._outages import OutageGuard
from convai_async.harvest._pipeline import Pipeline
from convai_async.harvest._pruning import Pruning
from convai_async.harvest._ranges import RangeScheduler
from convai_async.harvest._report import Counters
from convai_async.harvest._stopping import StopRequested, Waits
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta

    import anyio

    from convai_async._transport.engine import Engine
    from convai_async._transport.memory import Reservation
    from convai_async.archive._recordings._storage import RecordingStorage
    from convai_async.archive._writer import ArchiveWriter
    from convai_async.harvest._report import HarvestReport

_EVERYTHING = Scope(Window(BEGINNING, None))


class Harvester:
    """Harvests once; the arguments are those of `harvest`.

    Args:
        engine: Sends the requests.
        archive: The archive to write to.
        scope: The conversations to harvest.
        recordings: Where to save recordings; None to save none.
    """

    def __init__(  # noqa: PLR0913 - the settings of a harvest
        self,
        engine: Engine,
        archive: ArchiveWriter,
        scope: Scope,
        recordings: RecordingStorage | None,
        *,
        limit: int | None,
        prune: Literal["mark", "remove"] | None,
        prune_limit: float,
        max_concurrency: int,
        progress: Callable[[HarvestReport], None] | None,
        stop: anyio.Event,
    ) -> None:
        self._archive = archive
        self._scope = scope
        self._recordings = recordings
        self._prune = prune
        self._prune_limit = prune_limit
        self._stop = stop
        ranges = RangeScheduler()
        self._counters = Counters(progress, ranges, engine.limiter)
        waits = Waits(stop)
        stoppable = engine.with_options(sleep=waits.sleep, waiting=waits.interruptible)
        self._guard = OutageGuard(stoppable, stop, self._counters.note_wait)
        self._ledger = Ledger()
        self._pipeline = Pipeline(self._fetch, self._store, engine.session.memory, max_concurrency, waits)
        self._intake = Intake(
            archive, scope, self._ledger, self._counters, self._pipeline, limit=limit, finds_absent=prune is not None
        )
        self._reader = ListReader(scope, self._guard, self._intake, ranges, stop)
        # With a limit, one lister reads the list from the newest conversation on.
        self._listers = 1 if self._intake.is_limited else min(LISTERS, max_concurrency)
        self._pruning: Pruning | None = None

    async def harvest(self, lookback: timedelta) -> HarvestReport:
        """List, fetch and write all conversations, or until the run is stopped, and record how the run ended."""
        report = self._counters.report
        run_id = await run_sync(self._archive.begin_run)
        try:
            await self._run_phases(lookback)
        except Exception as error:
            with suppress(ArchiveError):  # it may be the reason
                await run_sync(self._archive.end_run, run_id, report, f"{type(error).__name__}: {error}")
            raise
        report.interrupted = self._stop.is_set()
        self._counters.add()
        await run_sync(self._archive.end_run, run_id, report)
        await run_sync(self._archive.scrub)
        return report

    async def _run_phases(self, lookback: timedelta) -> None:
        if self._recordings is not None:
            await self._recordings.prepare()
        if self._prune is not None:
            self._pruning = Pruning(self._prune_limit, await run_sync(self._archive.count_conversations))
        newest = await run_sync(self._archive.get_newest_start)
        again_from = BEGINNING if newest is None else min(newest, int(time.time())) - int(lookback.total_seconds())
        await self._read_list(again_from)
        await self._fetch_unfinished()
        if self._pruning is not None:
            await self._apply(self._pruning)
        if self._recordings is not None:
            await self._fetch_recordings(self._recordings, again_from)

    async def _read_list(self, again_from: int) -> None:
        """Read the part of the list that has not been read yet, and everything since ``again_from`` (Unix seconds)."""
        intake, report = self._intake, self._counters.report
        windows = await run_sync(self._archive.get_windows, self._scope.agent_id)
        windows = [Window(window.start, min(window.end or again_from, again_from)) for window in windows]
        await self._list_and_fetch(subtract_windows(self._scope.window, windows))
        is_ended = self._stop.is_set() or intake.is_satisfied
        if self._scope.window.end is None and intake.newest is not None and not is_ended:
            # Conversations that started while the list was read.
            await self._list_and_fetch([Window(intake.newest + 1, None)])
        report.list_complete = not self._stop.is_set() and not intake.has_unreadable_ranges
        if report.list_complete and not intake.is_limited and self._scope == _EVERYTHING:
            await run_sync(self._archive.keep_list_failures, intake.unread_entries)
        if intake.is_satisfied and report.reached_unix_secs is not None:
            self._scope = Scope(Window(report.reached_unix_secs, self._scope.window.end), self._scope.agent_id)

    async def _list_and_fetch(self, windows: Iterable[Window]) -> None:
        await self._pipeline.run(partial(self._reader.read, windows, self._listers))

    async def _fetch_unfinished(self) -> None:
        unfinished = await run_sync(self._archive.find_unfinished, self._scope)
        again = [summary for summary in unfinished if not self._ledger.is_written(summary.conversation_id)]
        self._counters.add(found=len(again))
        await self._do(Job(summary, is_listed=False) for summary in again)

    async def _fetch_recordings(self, recordings: RecordingStorage, ask_again_since: int) -> None:
        ids = await run_sync(lambda: self._archive.find_missing_audio(self._scope, ask_again_since=ask_again_since))
        await recordings.remove_partial(ids)
        await self._do(Job(ConversationSummary(conversation_id=each), "audio") for each in ids)

    async def _do(self, jobs: Iterable[Job]) -> None:
        async def queue_jobs() -> None:
            for job in jobs:
                await self._pipeline.jobs.put(job)

        await self._pipeline.run(queue_jobs)

    async def _apply(self, pruning: Pruning) -> None:
        async def queue_results() -> None:
            for result in pruning.results:
                await self._pipeline.results.put(result)

        if pruning.is_refused:
            self._counters.report.not_pruned = len(pruning.ids)
        else:
            await self._pipeline.run(queue_results)

    async def _fetch(self, job: Job, memory: Reservation) -> Result | None:
        """Fetch a job; return None if there is nothing to write (yet)."""
        if self._stop.is_set() or (self._pruning is not None and not self._pruning.needs(job)):
            return None
        try:
            update = await fetch(job, memory, self._guard, self._recordings)
        except StopRequested:
            return None
        result = Result(update, job, memory)
        if isinstance(update, DeletionUpdate) and self._pruning is not None:
            self._pruning.add(update.conversation_id, result)
            return None
        return result

    async def _store(self, results: Sequence[Result]) -> None:
        """Write results, and the windows that they complete, in one transaction."""
        updates = [result.update for result in results if result.update is not None]
        windows = self._ledger.mark_written(results)
        if updates or windows:
            agent_id, removes = self._scope.agent_id, self._prune == "remove"
            deleted = await run_sync(
                partial(
                    self._archive.store, updates, windows, agent_id=agent_id, remove_deleted=removes, at_service=True
                )
            )
            updates = [update for update in updates if update.conversation_id not in deleted]
        fetched = (update for update in updates if isinstance(update, ConversationUpdate))
        self._ledger.leave_to_archive(update.conversation_id for update in fetched if update.is_final)
        self._counters.add_written(updates)
