"""The report of a harvest, and the counters that update it."""

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


_SUMMED = (
    "found",
    "fetched",
    "unchanged",
    "skipped",
    "failed",
    "undecodable",
    "recordings",
    "deleted",
    "not_pruned",
    "bytes",
    "seconds",
)


class HarvestReport(msgspec.Struct, kw_only=True):
    """The counts of a run. They grow during the run, and are final when `harvest` returns.

    Attributes:
        found: The number of conversations that were listed, or that earlier runs left unfinished or failed.
        fetched: The number of conversations that were fetched and written.
        unchanged: The number of conversations that were not fetched, since they are in the archive, final, and have the
            same entry in the list.
        skipped: The number of conversations that were not fetched, since they were deleted from the archive before:
            see `Archive.delete`.
        failed: The number of conversations, recordings and parts of the list that could not be read. The next run tries
            them again.
        undecodable: The number of fetched conversations that are stored as raw JSON only.
        recordings: The number of saved recordings.
        deleted: The number of conversations that were deleted at the service, and marked or removed in the archive.
        not_pruned: The number of conversations that were deleted at the service but not pruned, because there are more
            than ``prune_limit`` allows: at least this many. Otherwise 0.
        bytes: The size of the fetched JSON and audio in bytes.
        seconds: The duration of the run so far in seconds.
        concurrency: The current limit on requests in flight.
        left_to_list: An estimate of the number of conversations that are not listed yet; 0 if it is unknown. It assumes
            that they are spread evenly over time, so it is too high if there were fewer earlier.
        list_complete: Whether the list was read to its end, or to ``limit``.
        reached_unix_secs: The start of the oldest listed conversation in Unix seconds, or None.
        interrupted: Whether the run was stopped early.
        waiting_for: The problem because of which the run waits for the service, or None if it does not wait.
        waiting_until_unix_secs: The time at which the run stops waiting at the latest, in Unix seconds, or None.
    """

    found: int = 0
    fetched: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    undecodable: int = 0
    recordings: int = 0
    deleted: int = 0
    not_pruned: int = 0
    bytes: int = 0
    seconds: float = 0.0
    concurrency: int = 0
    left_to_list: int = 0
    list_complete: bool = False
    reached_unix_secs: int | None = None
    interrupted: bool = False
    waiting_for: str | None = None
    waiting_until_unix_secs: int | None = None

    @property
    def complete(self) -> bool:
        """Whether all requested conversations and recordings are in the archive."""
        return self.list_complete and self.failed == 0 and not self.not_pruned and not self.interrupted

    @property
    def handled(self) -> int:
        """The number of found conversations that were fetched, unchanged, skipped or failed."""
        return self.fetched + self.unchanged + self.skipped + self.failed

    @property
    def seconds_left(self) -> float | None:
        """An estimate of the remaining time in seconds; None before the first conversation is handled."""
        if not self.handled or not self.seconds:
            return None
        left = max(self.found - self.handled, 0) + self.left_to_list
        return left * self.seconds / self.handled


def merge_reports(reports: Sequence[HarvestReport]) -> HarvestReport:
    """Return the sum of the reports of consecutive runs; what is not a count is that of the last one."""
    last = reports[-1]
    sums = {name: sum(getattr(report, name) for report in reports) for name in _SUMMED}
    reached = [report.reached_unix_secs for report in reports if report.reached_unix_secs is not None]
    return msgspec.structs.replace(
        last,
        **sums,
        list_complete=all(report.list_complete for report in reports),
        reached_unix_secs=min(reached, default=None),
    )


class Counters:
    """Updates the report of a run, and passes it to ``progress`` whenever it has changed.

    Args:
        progress: Called with the report.
        ranges: Estimates how many conversations are not listed yet.
        limiter: Has the current limit on requests in flight.

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
        self.report.left_to_list = round(self._ranges.expected())
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
        """Note that the run waits for the service because of a problem; None if it no longer waits."""
        self.report.waiting_for, self.report.waiting_until_unix_secs = problem, until_unix_secs
        self.add()
