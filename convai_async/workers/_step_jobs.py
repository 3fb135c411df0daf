"""Run steps as jobs of up to 100 conversations.

The archives know what is due: storing a conversation queues it in ``convai.step_jobs`` in the same transaction. Jobs of
procrastinate only spread the work. A job that is lost or runs twice does no harm, since a conversation is claimed
before a step runs on it.
"""

from __future__ import annotations

import logging
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

from convai_async._support.workspace_name import workspace_name
from convai_async.archive import ArchiveError, PostgresUrl
from convai_async.archive._step_queue import StepQueue
from convai_async.steps import run_steps
from convai_async.steps._module import check_names
from convai_async.workers._database import connect
from convai_async.workers._queue import NAMESPACE, PROCESS_TASK, build_step_queue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import anyio
    from procrastinate import App

    from convai_async.steps import Step
    from convai_async.workers._database import Database

_logger = logging.getLogger("convai_async.workers")

_IDS_PER_JOB = 100
_MAX_JOBS = 50
"""How many jobs of a step are queued at once. More follow when these have started."""

_NOT_QUEUED = """
SELECT workspace FROM convai.archive WHERE NOT EXISTS (
    SELECT FROM convai.steps WHERE steps.workspace = archive.workspace AND name = %(step)s
    AND (version > %(version)s OR (version = %(version)s AND selects = %(selects)s AND queued_to IS NULL))
) ORDER BY workspace
"""
_DUE = """
SELECT workspace, conversation_id FROM convai.step_jobs
WHERE step = %s AND version = %s AND due_unix_secs <= extract(epoch FROM clock_timestamp())
ORDER BY due_unix_secs LIMIT %s
"""


class StepJobs:
    """Queues and runs the jobs of steps.

    Args:
        database: The database of the archives.
        steps: The steps.
        stop: Ends running jobs early when it is set.

    Raises:
        InvalidArgumentError: Two steps have the same name.

    Attributes:
        names: The names of the steps.
    """

    def __init__(self, database: Database, steps: Iterable[Step[Any]], stop: anyio.Event) -> None:
        self._database = database
        chosen = list(steps)
        check_names("steps", chosen)
        self._steps = {step.name: step for step in chosen}
        self.names = tuple(self._steps)
        self._stop = stop

    async def queue(self, app: App, name: str) -> None:
        """Queue jobs for what is due for a step, if none of its jobs wait."""
        step = self._steps[name]
        await self._queue_stored(step)
        task, queue = f"{NAMESPACE}:{PROCESS_TASK}", build_step_queue(name)
        if await app.job_manager.list_jobs_async(queue=queue, task=task, status="todo"):
            return
        async with connect(self._database) as connection:
            cursor = await connection.execute(_DUE, (name, step.version, _IDS_PER_JOB * _MAX_JOBS))
            due = await cursor.fetchall()
        jobs: list[dict[str, Any]] = [
            {"step": name, "workspace": workspace, "ids": ids} for workspace, ids in _split(due)
        ]
        if jobs:
            await app.configure_task(task, queue=queue).batch_defer_async(*jobs)

    async def process(self, name: str, workspace: str, ids: list[str]) -> None:
        """Run a step on conversations of a workspace. If it raises `KeyboardInterrupt`, the worker stops."""
        workspace_name.set(workspace)
        url = PostgresUrl(self._database.dsn, workspace)
        try:
            [report] = await run_steps(url, [self._steps[name]], ids=ids, stop=self._stop)
        except KeyboardInterrupt:
            _logger.warning("step %s raised KeyboardInterrupt: the worker stops", name)
            self._stop.set()
            return
        _logger.info("step %s: %d done, %d failed", name, report.done, report.failed)

    async def _queue_stored(self, step: Step[Any]) -> None:
        """Queue the conversations that archives had before the step was run on them."""
        settings = step.settings
        async with connect(self._database) as connection:
            values = {"step": step.name, "version": step.version, "selects": settings.selects}
            workspaces = [name for (name,) in await (await connection.execute(_NOT_QUEUED, values)).fetchall()]
        for workspace in workspaces:
            await run_sync(self._queue_workspace, step, workspace)

    def _queue_workspace(self, step: Step[Any], workspace: str) -> None:
        try:
            with StepQueue(PostgresUrl(self._database.dsn, workspace)) as queue:
                queue.register(step.settings)
                while queue.queue_stored(step.settings) and not self._stop.is_set():
                    pass
        except ArchiveError as error:
            _logger.warning("step %s: %s", step.name, error)


def _split(due: list[tuple[Any, ...]]) -> Iterator[tuple[str, list[str]]]:
    """Yield the ids of each job, with their workspace."""
    for workspace, rows in groupby(sorted(due, key=itemgetter(0)), key=itemgetter(0)):
        ids = (conversation_id for _, conversation_id in rows)
        while some := list(islice(ids, _IDS_PER_JOB)):
            yield workspace, some
