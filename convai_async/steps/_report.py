"""The counts of a run of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convai_async.archive._steps._records import StepOutcome


class StepReport(msgspec.Struct):
    """The counts of a run of a step.

    Attributes:
        step: The name of the step.
        version: Its version.
        done: How many results were stored.
        failed: How many attempts failed.
        dead: How many of them were the last attempt for their conversation.
        discarded: How many results and errors were not stored, as the conversation changed, was deleted, or was taken
            over by another process.
        aborted: Whether the run stopped because 100 conversations failed in a row.
        last_error: The error of the last attempt that failed, or None.
    """

    step: str
    version: int
    done: int = 0
    failed: int = 0
    dead: int = 0
    discarded: int = 0
    aborted: bool = False
    last_error: str | None = None

    def add(self, outcomes: Sequence[StepOutcome], done: int, failed: int) -> None:
        """Count jobs that have ended.

        Args:
            outcomes: The jobs.
            done: How many results of them were stored.
            failed: How many errors of them were stored.
        """
        self.done += done
        self.failed += failed
        self.discarded += len(outcomes) - done - failed
        errors = [each for each in outcomes if each.error is not None]
        if errors:
            self.dead += sum(each.retry_secs is None for each in errors)
            self.last_error = errors[-1].error
