"""Run steps on an archive, show their state, and retry failures."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from convai_async._support.tasks import run_shielded_in_thread, task_group
from convai_async._support.validate import validate_integer, validate_texts
from convai_async.archive import Archive
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._step_queue import StepQueue
from convai_async.archive._steps._jobs import read_step_failures, read_step_status
from convai_async.errors import InvalidArgumentError
from convai_async.steps._module import check_names
from convai_async.steps._report import StepReport
from convai_async.steps._runner import StepInterrupted, StepRunner
from convai_async.steps._step import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from convai_async.archive import ArchivePath, PostgresUrl
    from convai_async.archive._steps._records import StepFailure, StepStatus


async def run_steps(  # noqa: PLR0913 - keyword-only
    path: ArchivePath | PostgresUrl,
    steps: Iterable[Step[Any]],
    *,
    ids: Collection[str] | None = None,
    progress: Callable[[list[StepReport]], None] | None = None,
    stop: anyio.Event | None = None,
    clock: Callable[[], float] | None = None,
) -> list[StepReport]:
    """Run steps on all conversations of an archive that they have not processed, and store their results.

    From then on, a conversation that is new or has changed is queued in the transaction that stores it. If a step
    raises an exception, it is retried in a later run, after a wait. Several processes can run steps on an archive at
    the same time, also during a harvest. Cancelling the run or killing the process is safe: the next run continues.

    Args:
        path: The file of the archive, or the URL of a PostgreSQL database.
        steps: The steps.
        ids: Only these conversations, as far as they are due; None (default) for all.
        progress: A function that is called in the event loop with the reports whenever their counts have changed.
        stop: An event that ends the run early when it is set. Conversations that are being processed have 30 seconds
            to finish.
        clock: Returns the current time in Unix seconds; by default, the clock of the system or of the database.

    Returns:
        The counts of the run, for each step.

    Raises:
        InvalidArgumentError: The list of steps is empty, or two have the same name.
        ArchiveError: The file is not an archive, cannot be written, or has a higher version of a step.
        KeyboardInterrupt: A step raised it. What was done is stored, and other attempts were cancelled.
    """
    chosen = list(steps)
    if not chosen or not all(isinstance(each, Step) for each in chosen):
        raise InvalidArgumentError("steps", "must be a list of one or more functions with the decorator `step`")
    check_names("steps", chosen)
    reports = [StepReport(each.name, each.version) for each in chosen]
    stop = stop or anyio.Event()
    queue = await run_shielded_in_thread(partial(StepQueue, path, clock=clock))
    try:
        async with task_group() as group:
            for each, report in zip(chosen, reports, strict=True):
                runner = StepRunner(
                    queue,
                    each,
                    report,
                    ids=ids,
                    stop=stop,
                    changed=lambda: None if progress is None else progress(reports),
                )
                group.start_soon(runner.run)
    except StepInterrupted as error:
        raise KeyboardInterrupt from error.__cause__
    finally:
        await run_shielded_in_thread(queue.close)
    return reports


def get_step_status(path: ArchivePath | PostgresUrl, *, clock: Callable[[], float] = time.time) -> list[StepStatus]:
    """Return the state of each step that was run on an archive, in numbers of conversations. Blocks.

    Args:
        path: The file of the archive, or the URL of a PostgreSQL database.
        clock: Returns the current time in Unix seconds; by default, the clock of the system.

    Raises:
        ArchiveError: The file is not an archive, or cannot be read.
    """
    with Archive.open(path) as archive, translate_content_errors(archive.path), archive.snapshot() as connection:
        return read_step_status(connection, int(clock()))


def get_step_failures(path: ArchivePath | PostgresUrl, *, limit: int = 1000) -> list[StepFailure]:
    """Return conversations that steps failed to process, dead ones first. Blocks.

    Args:
        path: The file of the archive, or the URL of a PostgreSQL database.
        limit: How many at most; 1,000 by default.

    Raises:
        ArchiveError: The file is not an archive, or cannot be read.
    """
    validate_integer("limit", limit, 0)
    with Archive.open(path) as archive, translate_content_errors(archive.path), archive.snapshot() as connection:
        return read_step_failures(connection, limit)


def retry_steps(
    path: ArchivePath | PostgresUrl, steps: Collection[str] | None = None, *, clock: Callable[[], float] | None = None
) -> int:
    """Queue the conversations again that steps failed to process, with all attempts, and return how many. Blocks.

    Args:
        path: The file of the archive, or the URL of a PostgreSQL database.
        steps: The names of the steps; None (default) for all.
        clock: Returns the current time in Unix seconds; by default, the clock of the system or of the database.

    Raises:
        InvalidArgumentError: A step with one of the names was never run on the archive.
        ArchiveError: The file is not an archive, or cannot be written.
    """
    with StepQueue(path, clock=clock) as queue:
        return queue.retry(None if steps is None else validate_texts("steps", tuple(steps)))
