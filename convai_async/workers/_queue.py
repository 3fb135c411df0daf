"""The names of the queues, and the locks of jobs."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from procrastinate.exceptions import AlreadyEnqueued

if TYPE_CHECKING:
    from procrastinate import App, JobContext

NAMESPACE = "convai"
HARVEST_QUEUE = "convai"
HOUSEKEEPING_QUEUE = "convai-housekeeping"
HARVEST_TASK = "harvest_workspace"
PROCESS_TASK = "process"


def build_step_queue(step: str) -> str:
    """Return the queue of a step: only workers that have the step may take its jobs.

    PostgreSQL refuses names of more than 40 characters, since procrastinate makes channels of them.
    """
    return f"convai-step-{hashlib.sha256(step.encode()).hexdigest()[:16]}"


def build_lock(workspace: str) -> str:
    """Return the lock of a workspace's harvests, of which at most one runs."""
    return f"convai harvest {workspace}"


async def defer_harvest(app: App, workspace: str, *, seconds: int = 0, attempt: int = 0) -> bool:
    """Queue a harvest of a workspace. At most one is in the queue, and at most one runs.

    Args:
        app: The application to which the blueprint was added, as ``"convai"``.
        workspace: The name of the workspace.
        seconds: The delay.
        attempt: How many harvests have failed before.

    Returns:
        Whether it was queued; False if one is in the queue already.
    """
    lock = build_lock(workspace)
    options: dict[str, Any] = {"queue": HARVEST_QUEUE, "lock": lock, "queueing_lock": lock}
    if seconds:
        options["schedule_in"] = {"seconds": seconds}
    with suppress(AlreadyEnqueued):
        await app.configure_task(f"{NAMESPACE}:{HARVEST_TASK}", **options).defer_async(name=workspace, attempt=attempt)
        return True
    return False


async def is_taken_over(context: JobContext) -> bool:
    """Return whether another worker has the current job, because this one had no heartbeat."""
    rows = await context.app.connector.execute_query_all_async(
        "SELECT id FROM procrastinate_jobs WHERE id = %(job_id)s AND status = 'doing'", job_id=context.job.id
    )
    return not rows
