"""The report of a harvest, and how it grows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._records import ConversationUpdate, DeletionUpdate, Failure, RecordingUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from convai_async._transport.limiter import ConcurrencyLimiter
    from convai_async.archive._records import Update
    from convai_async.harvest._ranges import RangeScheduler


class HarvestReport(msgspec.Struct, kw_only=True):
    """The counts of one run: growing while it runs, final when it returns.

    Attributes:
        found: Conversations that were listed, and unfinished or failed ones of earlier runs.
        fetched: Conversations fetched and written.
        unchanged: Conversations in the archive that are final, and whose line in the list is the same: not fetched.
        failed: Conversations, recordings and parts of the list that could not be read; the next run tries them again.
        undecodable: Of those fetched, how many are kept as raw JSON only.
        recordings: Recordings saved.
        deleted: Conversations that the service was found to have deleted, marked or removed in the archive.
        not_pruned: Conversations that the service was found to have deleted, but that were not pruned because there
            are more than ``prune_limit`` allows: this many or more. 0 unless pruning was refused.
        bytes: Bytes of JSON and audio that were fetched.
        seconds: How long the run has taken.
        concurrency: The current limit on requests in flight.
        to_list: An estimate of the conversations still to be listed, at least this many; 0 while it is unknown.
        listed: Whether the list was read to its end (or to ``limit``).
        reached_unix_secs: When the oldest conversation that was listed started.
        interrupted: Whether it was asked to stop early.
        waiting_for: The problem because of which the run waits for the service, or None.
        waiting_until_unix_secs: When it stops waiting at the latest, in unix seconds, or None.
    """

    found: int = 0
    fetched: int = 0
    unchanged: int = 0
    failed: int = 0
    undecodable: int = 0
    recordings: int = 0
    deleted: int = 0
    not_pruned: int = 0
    bytes: int = 0
    seconds: float = 0.0
    concurrency: int = 0
    to_list: int = 0
    listed: bool = False
    reached_unix_secs: int | None = None
    interrupted: bool = False
    waiting_for: str | None = None
    waiting_until_unix_secs: int | None = None

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is in the archive."""
        return self.listed and self.failed == 0 and not self.not_pruned and not self.interrupted

    @property
    def handled(self) -> int:
        """How many of those found are done: fetched, unchanged or failed."""
        return self.fetched + self.unchanged + self.failed

    @property
    def seconds_left(self) -> float | None:
        """An estimate of the seconds that the run still takes; None before anything was handled."""
        if not self.handled or not self.seconds:
            return None
        left = max(self.found - self.handled, 0) + self.to_list
        return left * self.seconds / self.handled


class Counters:
    """Grows the report of a run, and passes it to ``progress`` whenever it has changed.

    Args:
        progress: Called with the report.
        ranges: Knows about how many conversations are still to be listed.
        limiter: Knows how many requests may be in flight.

    Attributes:
        report: The report.
    """

    def __init__(
        self, progress: Callable[[HarvestReport], None] | None, ranges: RangeScheduler, limiter: ConcurrencyLimiter
    ) -> None:
        self.report = HarvestReport()
        self._progress = progress
        self._ranges = ranges
        self._limiter = limiter
        self._started = time.monotonic()

    def add(self, **counts: int) -> None:
        """Add to counts of the report."""
        for name, number in counts.items():
            setattr(self.report, name, getattr(self.report, name) + number)
        self.report.seconds = time.monotonic() - self._started
        self.report.concurrency = self._limiter.limit
        self.report.to_list = round(self._ranges.expected())
        if self._progress is not None:
            self._progress(self.report)

    def add_written(self, updates: Sequence[Update]) -> None:
        """Count updates that were written."""
        fetched = [each for each in updates if isinstance(each, ConversationUpdate)]
        recordings = [each.audio for each in updates if isinstance(each, RecordingUpdate) and each.audio is not None]
        self.add(
            fetched=len(fetched),
            failed=sum(isinstance(each, Failure) for each in updates),
            deleted=sum(isinstance(each, DeletionUpdate) for each in updates),
            undecodable=sum(each.is_undecodable for each in fetched),
            recordings=len(recordings),
            bytes=sum(each.size for each in fetched) + sum(audio.size for audio in recordings),
        )

    def note_reached(self, start: int) -> None:
        """Note when a conversation that was listed started."""
        reached = self.report.reached_unix_secs
        self.report.reached_unix_secs = start if reached is None else min(reached, start)

    def note_wait(self, problem: str | None, until_unix_secs: int | None) -> None:
        """Note that the run waits for the service because of a problem; None if it waits no more."""
        self.report.waiting_for, self.report.waiting_until_unix_secs = problem, until_unix_secs
        self.add()
