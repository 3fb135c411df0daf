"""Decide which conversations of a page to fetch, and queue them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from functools import partial
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from convai_async._support.timestamps import compute_latest_start, credible_start_or_none
from convai_async.archive._lookups import Scope
from convai_async.archive._records import Failure
from convai_async.archive._windows import Window, may_be_in
from convai_async.harvest._jobs import Job, Result
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from convai_async.archive._writer import ArchiveWriter
    from convai_async.endpoints import Page, UndecodableItem
    from convai_async.harvest._ledger import Ledger, Reading
    from convai_async.harvest._pipeline import Pipeline
    from convai_async.harvest._report import Counters

    Summaries = dict[str, ConversationSummary]


class Intake:
    """Queues jobs for the conversations of pages of the list, one page at a time.

    Args:
        archive: Tells which conversations are stored.
        scope: The conversations to harvest.
        ledger: Tells which conversations are being fetched.
        counters: Counts the conversations that were found.
        pipeline: Has the queue of jobs.
        limit: The maximum number of conversations; None means all.
        finds_absent: Whether to check stored conversations that are no longer in the list.

    Attributes:
        newest: The start of the newest listed conversation in Unix seconds, or None.
        has_unreadable_ranges: Whether a range of the list could not be read.
        unread_entries: The ids of the failures recorded for entries of the list that could not be read.
    """

    def __init__(  # noqa: PLR0913 - what it decides by
        self,
        archive: ArchiveWriter,
        scope: Scope,
        ledger: Ledger,
        counters: Counters,
        pipeline: Pipeline,
        *,
        limit: int | None,
        finds_absent: bool,
    ) -> None:
        self.newest: int | None = None
        self.has_unreadable_ranges = False
        self.unread_entries: set[str] = set()
        self._archive = archive
        self._scope = scope
        self._ledger = ledger
        self._counters = counters
        self._pipeline = pipeline
        self._still_wanted = limit
        self._finds_absent = finds_absent
        self._counted: set[str] = set()
        """Conversations that were counted as found, and will probably be listed again."""
        self._one_page = asyncio.Lock()

    @property
    def is_limited(self) -> bool:
        """Whether the number of conversations is limited."""
        return self._still_wanted is not None

    @property
    def is_satisfied(self) -> bool:
        """Whether the limit has been reached."""
        return self._still_wanted == 0

    def has_room_for(self, page: Page[ConversationSummary]) -> bool:
        """Return whether a page fits into the queue of jobs now."""
        jobs = self._pipeline.jobs
        return not self._one_page.locked() and jobs.maxsize - jobs.qsize() >= len(page)

    def begin(self, window: Window) -> Reading:
        """Begin to read a range."""
        return self._ledger.begin(window)

    async def ingest(self, reading: Reading, page: Page[ConversationSummary]) -> None:
        """Queue the conversations of a page that are new or have changed."""
        async with self._one_page:
            latest = compute_latest_start(time.time())
            own, others = self._divide(page, reading.window, latest)
            found = own.keys() - reading.ids - self._counted
            if self._still_wanted is not None:
                others.clear()
                self._apply_limit(self._still_wanted, own, found)
            starts = {each: credible_start_or_none(own[each].start_time_unix_secs, latest) for each in own}
            self._note_starts([start for start in starts.values() if start is not None])
            jobs, unchanged, deleted = await self._create_jobs(reading, own | others)
            early = {job.conversation_id for job in jobs} & others.keys() - self._counted
            undated = {each for each, start in starts.items() if start is None}
            reading.ids |= own.keys() - undated
            self._counted |= early | undated
            self._counters.add(
                found=len(found) + len(early), unchanged=len(unchanged & found), skipped=len(deleted & found)
            )
            for entry in page.undecodable:
                reading.is_whole = False
                await self._record_entry(entry)
            for job in jobs:
                await self._pipeline.jobs.put(job)

    async def finish(self, reading: Reading, read: Window) -> None:
        """Note that a range was read to its end, and which window of it may be recorded as read."""
        async with self._one_page:
            if self._finds_absent:
                scope = Scope(reading.window, self._scope.agent_id)
                for conversation_id in await run_sync(self._archive.find_absent, scope, reading.ids):
                    job = Job(ConversationSummary(conversation_id=conversation_id), "presence")
                    self._ledger.add(reading, job)
                    await self._pipeline.jobs.put(job)
            self._counted -= reading.ids
            reading.ids = set()
            self._ledger.finish(reading, read)
            await self._pipeline.results.put(Result())  # so that the window is recorded even if nothing is fetched

    def give_up(self, reading: Reading) -> None:
        """Note that a reading ended early: its conversations will be listed again."""
        self._counted |= reading.ids
        self._ledger.give_up(reading)

    async def record_unreadable(self, window: Window, error: str, *, attempts: int) -> None:
        """Record that a range of the list could not be read."""
        self.has_unreadable_ranges = True
        end = "" if window.end is None else window.end
        await self._record(f"range:{window.start}-{end}", error, attempts)

    async def _record_entry(self, entry: UndecodableItem) -> None:
        """Record an entry without an id: it cannot be fetched, and the next run reads its range again."""
        entry_id = f"line:{hashlib.sha256(entry.raw).hexdigest()[:16]}"
        if entry_id not in self.unread_entries:
            self.unread_entries.add(entry_id)
            self._counters.add(found=1)
            await self._record(entry_id, entry.error, 1)

    async def _record(self, failure_id: str, error: str, attempts: int) -> None:
        await self._pipeline.results.put(Result(Failure(failure_id, error, attempts, "list")))

    def _divide(self, page: Page[ConversationSummary], window: Window, latest: int) -> tuple[Summaries, Summaries]:
        """Return the conversations of a page that are in its range, and those that another range will probably list."""
        own: Summaries = {}
        others: Summaries = {}
        for summary in page:
            start = summary.start_time_unix_secs
            if may_be_in(self._scope.window, start, latest):
                (own if may_be_in(window, start, latest) else others)[summary.conversation_id] = summary
        return own, others

    def _apply_limit(self, limit: int, own: Summaries, found: set[str]) -> None:
        """Leave out conversations beyond the limit; the list is not read to the end of their range."""
        for conversation_id in [each for each in own if each in found][limit:]:
            found.remove(conversation_id)
            del own[conversation_id]
        self._still_wanted = limit - len(found)

    def _note_starts(self, starts: list[int]) -> None:
        if starts:
            self.newest = max(self.newest or 0, *starts)
            self._counters.note_reached(min(starts))

    async def _create_jobs(self, reading: Reading, summaries: Summaries) -> tuple[list[Job], set[str], set[str]]:
        """Return jobs for the conversations to fetch, the ids of unchanged ones, and those that were deleted here."""
        candidates = [
            summary
            for conversation_id, summary in summaries.items()
            if not self._ledger.wait_if_underway(reading, conversation_id)
            and not self._ledger.is_written(conversation_id)
        ]
        unchanged = await run_sync(self._archive.find_unchanged, candidates) if candidates else set[str]()
        wanted = [summary for summary in candidates if summary.conversation_id not in unchanged]
        deleted = (
            await run_sync(
                partial(self._archive.find_deleted, {each.conversation_id for each in wanted}, at_service=True)
            )
            if wanted
            else set[str]()
        )
        jobs = [Job(summary) for summary in wanted if summary.conversation_id not in deleted]
        for job in jobs:
            self._ledger.add(reading, job)
        return jobs, unchanged, deleted
