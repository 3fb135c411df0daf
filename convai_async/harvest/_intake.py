"""Take in what is listed: what of it is to be fetched, and when a range of the list is done."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from convai_async._support.timestamps import credible_start, latest_start
from convai_async.archive._lookups import Scope
from convai_async.archive._records import Failure
from convai_async.archive._windows import Window, may_lie_in
from convai_async.harvest._jobs import Job, Outcome
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.streams.memory import MemoryObjectSendStream

    from convai_async.archive._writer import ArchiveWriter
    from convai_async.harvest._jobs import Listing, RangeProgress
    from convai_async.harvest._report import HarvestReport


class Intake:
    """Turns pages of the list into jobs. One page at a time is taken in.

    Args:
        archive: What is here already.
        scope: Which conversations are wanted.
        report: Where to note how far back the list was read.
        count: Adds to the report's counts.
        limit: The most conversations to take; None means all.
        find_absent: Whether to ask for conversations that are here, but not in the list any more.

    Attributes:
        pending: The jobs of conversations that are not written yet.
        settled: Conversations that were written in this run, but would be fetched again.
        newest: When the newest conversation that was listed started, or None.
        unreadable_ranges: How many ranges of the list could not be read.
        unread_lines: The ids of the failures recorded for lines of the list that could not be read.
    """

    def __init__(  # noqa: PLR0913 - what it decides by
        self,
        archive: ArchiveWriter,
        scope: Scope,
        report: HarvestReport,
        count: Callable[..., None],
        *,
        limit: int | None,
        find_absent: bool,
    ) -> None:
        self.pending: dict[str, Job] = {}
        self.settled: set[str] = set()
        self.newest: int | None = None
        self.unreadable_ranges = 0
        self.unread_lines: set[str] = set()
        self._archive = archive
        self._scope = scope
        self._report = report
        self._count = count
        self._room = limit
        self._find_absent = find_absent
        self._counted: set[str] = set()
        """Conversations that were counted, and will probably be listed again."""
        self._one_page = anyio.Lock()

    def send_to(self, jobs: MemoryObjectSendStream[Job], outcomes: MemoryObjectSendStream[Outcome]) -> None:
        """Send what comes of the pages to these streams."""
        self._jobs, self._outcomes = jobs, outcomes

    @property
    def limited(self) -> bool:
        """Whether only so many conversations are wanted."""
        return self._room is not None

    @property
    def satisfied(self) -> bool:
        """Whether as many conversations were taken as are wanted."""
        return self._room is not None and self._room <= 0

    def has_room_for(self, listing: Listing) -> bool:
        """Return whether a page can be taken without waiting for others to be fetched."""
        queue = self._jobs.statistics()
        room = queue.max_buffer_size - queue.current_buffer_used
        return not self._one_page.locked() and room >= len(listing.summaries)

    async def take(self, listing: Listing) -> None:
        """Queue what is new or has changed on a page."""
        async with self._one_page:
            latest = latest_start(time.time())
            own, others = self._sorted(listing, latest)
            new = own.keys() - listing.progress.ids - self._counted
            if self._room is not None:
                others.clear()
                for conversation_id in [each for each in own if each in new][max(self._room, 0) :]:
                    new.remove(conversation_id)
                    del own[conversation_id]
                    listing.progress.whole = False
                self._room -= len(new)
            self._note(own.values(), latest)
            unknown_starts = {each for each in new if credible_start(own[each].start_time_unix_secs, latest) is None}
            self._counted |= unknown_starts
            listing.progress.ids |= own.keys() - unknown_starts
            jobs, unchanged = await self._jobs_for(own | others, listing.progress)
            early = {job.summary.conversation_id for job in jobs} & (others.keys() - self._counted)
            self._counted |= early
            self._count(found=len(new) + len(early), unchanged=len(unchanged & new))
            await self._record(listing)
            for job in jobs:
                await self._jobs.send(job)

    async def finish(self, progress: RangeProgress, read: Window) -> None:
        """Note that a range was read to its end, and what of it may be noted as read."""
        async with self._one_page:
            progress.read = read
            absent: list[str] = []
            if self._find_absent:
                scope = Scope(progress.window, self._scope.agent_id)
                absent = await run_sync(self._archive.absent, scope, progress.ids)
            self._counted -= progress.ids
            progress.ids = set()
            for conversation_id in absent:
                job = Job(ConversationSummary(conversation_id=conversation_id), "presence")
                job.add_to(progress)
                await self._jobs.send(job)
            await self._outcomes.send(Outcome(None, [progress]))

    def abandon(self, progress: RangeProgress) -> None:
        """Note that a reading ends before its range does: what it listed will be listed again."""
        self._counted |= progress.ids

    async def fail(self, window: Window, error: str, *, attempts: int) -> None:
        """Record that a range of the list could not be read."""
        self.unreadable_ranges += 1
        end = "" if window.end is None else window.end
        await self._outcomes.send(Outcome(Failure(f"range:{window.start}-{end}", error, attempts, "list"), []))

    def _sorted(
        self, listing: Listing, latest: int
    ) -> tuple[dict[str, ConversationSummary], dict[str, ConversationSummary]]:
        """Return what is wanted of a page: what lies in its range, and what another range will probably list."""
        own: dict[str, ConversationSummary] = {}
        others: dict[str, ConversationSummary] = {}
        for summary in listing.summaries:
            start = summary.start_time_unix_secs
            if may_lie_in(self._scope.window, start, latest):
                belongs = may_lie_in(listing.progress.window, start, latest)
                (own if belongs else others)[summary.conversation_id] = summary
        return own, others

    def _note(self, summaries: Iterable[ConversationSummary], latest: int) -> None:
        credible = (credible_start(summary.start_time_unix_secs, latest) for summary in summaries)
        starts = [start for start in credible if start is not None]
        if starts:
            self.newest = max(self.newest or 0, *starts)
            reached = self._report.reached_unix_secs
            self._report.reached_unix_secs = min(starts[0] if reached is None else reached, *starts)

    async def _jobs_for(
        self, summaries: dict[str, ConversationSummary], progress: RangeProgress
    ) -> tuple[list[Job], set[str]]:
        """Return jobs for what is neither here nor on its way, and what is here as it was listed."""
        rest = []
        for conversation_id, summary in summaries.items():
            if conversation_id in self.pending:
                self.pending[conversation_id].add_to(progress)
            elif conversation_id not in self.settled:
                rest.append(summary)
        unchanged = await run_sync(self._archive.unchanged, rest) if rest else set()
        jobs = [Job(summary) for summary in rest if summary.conversation_id not in unchanged]
        for job in jobs:
            job.add_to(progress)
            self.pending[job.summary.conversation_id] = job
        return jobs, unchanged

    async def _record(self, listing: Listing) -> None:
        """Record lines without an id: they cannot be fetched, and their range is read again by the next run."""
        for line in listing.undecodable:
            listing.progress.whole = False
            line_id = f"line:{hashlib.sha256(line.raw).hexdigest()[:16]}"
            if line_id not in self.unread_lines:
                self.unread_lines.add(line_id)
                self._count(found=1)
                await self._outcomes.send(Outcome(Failure(line_id, line.error, 1, "list"), []))
