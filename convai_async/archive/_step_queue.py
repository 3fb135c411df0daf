"""Claim and finish the jobs of steps in an archive."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convai_async._support.forks import hold_in_forks
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._steps import _jobs
from convai_async.archive._writer import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from convai_async.archive._location import ArchivePath, PostgresUrl
    from convai_async.archive._steps._records import StepJob, StepOutcome, StepSettings

LEASE_SECS = 90
"""Seconds after which others can take over jobs that were not renewed."""
_QUEUED_AT_ONCE = 5_000


class StepQueue(ArchiveWriter):
    """An archive that is open for running steps; others can write to it meanwhile. Each method is a transaction.

    Args:
        path: The file, or the URL of a database.
        clock: Returns the current time in Unix seconds; None for the clock of the store.
    """

    def __init__(self, path: ArchivePath | PostgresUrl, *, clock: Callable[[], float] | None = None) -> None:
        super().__init__(path, None, create=False, exclusive=False, clock=clock or time.time)
        self._fixed_clock = clock
        hold_in_forks(self._lock)

    def register(self, step: StepSettings) -> None:
        """Store a step: conversations are queued for it from now on, and earlier ones by `queue_stored`.

        Raises:
            ArchiveError: A higher version of it was run.
        """
        with self._write() as now:
            _jobs.register_step(self._connection, step, now)

    def queue_stored(self, step: StepSettings) -> int:
        """Queue some conversations that were stored before a step was registered, and return how many; 0 at the end."""
        with self._write() as now:
            return _jobs.queue_stored(self._connection, step.name, now, _QUEUED_AT_ONCE)

    def claim(self, step: StepSettings, count: int, ids: Collection[str] | None = None) -> list[StepJob]:
        """Claim jobs that are due for `LEASE_SECS`.

        Args:
            step: The step.
            count: How many at most.
            ids: Only jobs of these conversations; None means any.

        Raises:
            ArchiveError: Another version of the step is registered.
        """
        with self._write() as now:
            return _jobs.claim_jobs(self._connection, step, now=now, until=now + LEASE_SECS, count=count, ids=ids)

    def read_documents(self, jobs: Collection[StepJob]) -> dict[str, bytes]:
        """Return the documents of the jobs' conversations by id; removed ones are left out."""
        with self._lock, translate_content_errors(self.path):
            stored = _jobs.read_documents(self._connection, [job.conversation_id for job in jobs])
            return {each: self._store.decode_document(document) for each, document in stored.items()}

    def renew(self, step: StepSettings, jobs: Collection[StepJob]) -> None:
        """Claim jobs for `LEASE_SECS` from now on."""
        with self._write() as now:
            _jobs.renew_jobs(self._connection, step.name, jobs, now + LEASE_SECS)

    def release(self, step: StepSettings, jobs: Collection[StepJob]) -> None:
        """Give back jobs that were not run."""
        with self._write() as now:
            _jobs.release_jobs(self._connection, step.name, jobs, now)

    def finish(self, step: StepSettings, outcomes: Sequence[StepOutcome]) -> tuple[int, int]:
        """Store results and errors, and return how many of each; others are of jobs that are not claimed any more."""
        with self._write() as now:
            return _jobs.finish_jobs(self._connection, step.name, outcomes, now)

    def retry(self, steps: Collection[str] | None) -> int:
        """Let jobs that failed run now, also those that are dead, and return how many there were."""
        with self._write() as now:
            return _jobs.retry_jobs(self._connection, steps, now)

    @contextmanager
    def _write(self) -> Iterator[int]:
        """Write in one transaction, and give the time in Unix seconds by the clock that all who write share."""
        with translate_content_errors(self.path), self._transaction():
            yield self._store.read_clock() if self._fixed_clock is None else int(self._fixed_clock())
