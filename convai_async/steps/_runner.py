"""Run a step on the conversations that are due."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from convai_async._support.tasks import is_cancelling, run_shielded_in_thread, task_group
from convai_async.archive import ArchiveError
from convai_async.archive._step_queue import LEASE_SECS
from convai_async.archive._steps._records import StepOutcome
from convai_async.steps._step import compute_retry_wait, describe_error, run_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from convai_async.archive._step_queue import StepQueue
    from convai_async.archive._steps._records import StepJob
    from convai_async.steps._report import StepReport
    from convai_async.steps._step import Step

_logger = logging.getLogger("convai_async")

BATCH = 100
"""How many conversations are claimed at once, and how many failures in a row stop the run."""
_STORED_AT_ONCE = 50
_READ_AT_ONCE = 20
_TICK_SECS = 1.0
"""The longest time before a result is stored; those of this time are stored together."""
_RENEW_SECS = LEASE_SECS / 3
_GRACE_SECS = 30.0


class StepInterrupted(Exception):  # noqa: N818 - not an error
    """A step raised `KeyboardInterrupt`, which would stop the event loop before the results are stored."""


class StepRunner:
    """Runs a step on the conversations that are due, until none is left.

    Args:
        queue: The archive.
        step: The step.
        report: Counts the conversations.
        ids: Only these conversations; None means all.
        stop: An event that ends the run early. Conversations that are being processed have 30 seconds to finish.
        changed: Called when the report has changed.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        queue: StepQueue,
        step: Step[Any],
        report: StepReport,
        *,
        ids: Collection[str] | None,
        stop: anyio.Event,
        changed: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._step = step
        self._report = report
        self._ids = ids
        self._stop = stop
        self._changed = changed
        self._take_lock = asyncio.Lock()
        self._store_lock = asyncio.Lock()
        self._ready: deque[StepJob] = deque()
        self._documents: dict[str, bytes] = {}
        self._running: dict[str, StepJob] = {}
        self._outcomes: list[StepOutcome] = []
        self._idle = asyncio.Event()
        self._runs_alone = False
        self._is_exhausted = False
        self._failures_in_a_row = 0

    async def run(self) -> None:
        """Run the step.

        Raises:
            ArchiveError: The archive cannot be read or written, or has a higher version of the step.
            StepInterrupted: The step raised `KeyboardInterrupt`.
        """
        settings = self._step.settings
        await run_shielded_in_thread(lambda: self._queue.register(settings))
        try:
            async with task_group() as helpers:
                helpers.start_soon(self._keep_claims)
                async with task_group() as workers:
                    helpers.start_soon(self._cancel_after_grace, workers.cancel_scope)
                    for _ in range(self._step.concurrency):
                        workers.start_soon(self._work)
                helpers.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._store_outcomes()
                left = [*self._ready, *self._running.values()]
                await run_shielded_in_thread(lambda: self._queue.release(settings, left))

    async def _work(self) -> None:
        while (claimed := await self._take()) is not None:
            job, document = claimed
            outcome = await self._run(job, document)
            del self._running[job.conversation_id]
            if not self._running:
                self._idle.set()
            self._outcomes.append(outcome)
            self._failures_in_a_row = 0 if outcome.error is None else self._failures_in_a_row + 1
            if len(self._outcomes) >= _STORED_AT_ONCE:
                await self._store_outcomes()

    async def _run(self, job: StepJob, document: bytes) -> StepOutcome:
        try:
            return StepOutcome(job, result=await run_attempt(self._step, document))
        except asyncio.CancelledError as error:
            if is_cancelling():
                raise
            return self._fail(job, error)  # of something that the step awaited
        except KeyboardInterrupt as error:
            raise StepInterrupted from error
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - the step's, also SystemExit: others have to run
            return self._fail(job, error)

    def _fail(self, job: StepJob, error: BaseException) -> StepOutcome:
        _logger.debug("step %s failed for %s", self._step.name, job.conversation_id, exc_info=error)
        attempts = job.attempts + 1
        is_dead = attempts >= self._step.settings.max_attempts
        return StepOutcome(
            job,
            error=describe_error(self._step, error),
            retry_secs=None if is_dead else compute_retry_wait(attempts),
        )

    async def _take(self) -> tuple[StepJob, bytes] | None:
        """Return the next job, or None if no more are to be started."""
        async with self._take_lock:
            while not self._stop.is_set():
                if not self._ready:
                    await self._claim()
                if not self._ready:
                    return None
                self._report.aborted = self._failures_in_a_row >= BATCH
                if self._report.aborted:
                    return None
                if self._ready[0].conversation_id not in self._documents:
                    some = list(islice(self._ready, _READ_AT_ONCE))
                    self._documents = await run_shielded_in_thread(partial(self._queue.read_documents, some))
                job = self._ready.popleft()
                document = self._documents.pop(job.conversation_id, None)
                if document is not None:  # otherwise it was removed, and its job as well
                    self._running[job.conversation_id] = job
                    return job, document
            return None

    async def _claim(self) -> None:
        """Claim the next jobs; wait for those that have to run alone."""
        if self._runs_alone:
            await self._wait_until_idle()
        settings = self._step.settings
        while not self._is_exhausted:
            # In the thread, so that a cancellation does not lose the jobs: they are released.
            await run_shielded_in_thread(lambda: self._ready.extend(self._queue.claim(settings, BATCH, self._ids)))
            if self._ready:
                self._runs_alone = self._ready[0].is_lost
                if self._runs_alone:
                    await self._wait_until_idle()
                return
            self._is_exhausted = (
                self._ids is not None or await run_shielded_in_thread(lambda: self._queue.queue_stored(settings)) == 0
            )

    async def _wait_until_idle(self) -> None:
        while self._running:
            self._idle.clear()
            await self._idle.wait()

    async def _store_outcomes(self) -> None:
        # Shielded, since what was stored must also be counted.
        with anyio.CancelScope(shield=True):
            async with self._store_lock:
                outcomes, self._outcomes = self._outcomes, []
                if not outcomes:
                    return
                try:
                    finish = partial(self._queue.finish, self._step.settings, outcomes)
                    done, failed = await run_shielded_in_thread(finish)
                except ArchiveError:
                    self._outcomes += outcomes  # the end of the run tries again
                    raise
                self._report.add(outcomes, done, failed)
        self._changed()

    async def _keep_claims(self) -> None:
        """Store results that have waited, and renew the claims of the jobs that are not done."""
        clock = asyncio.get_running_loop().time
        renewed = clock()
        while True:
            await asyncio.sleep(_TICK_SECS)
            await self._store_outcomes()
            if clock() - renewed >= _RENEW_SECS:
                renewed = clock()
                jobs = [*self._ready, *self._running.values(), *(each.job for each in self._outcomes)]
                await run_shielded_in_thread(partial(self._queue.renew, self._step.settings, jobs))

    async def _cancel_after_grace(self, scope: anyio.CancelScope) -> None:
        await self._stop.wait()
        await asyncio.sleep(_GRACE_SECS)
        scope.cancel()
