"""Harvest workspaces with workers on several machines, over a PostgreSQL database; needs the extra ``postgres``.

::

    await run_worker("postgresql://user@host/database")  # the same as `convai-async worker`

    app.add_tasks_from(create_blueprint("postgresql://user@host/database"), namespace="convai")  # in your application
"""

from convai_async.workers._blueprint import create_blueprint
from convai_async.workers._queue import defer_harvest
from convai_async.workers._schema import prepare_database
from convai_async.workers._status import WorkersStatus, WorkspaceStatus, read_status
from convai_async.workers._worker import create_app, run_worker
from convai_async.workers._workspaces import (
    ScheduledWorkspace,
    add_workspaces,
    change_workspace,
    list_workspaces,
    read_scheduled_workspaces,
    remove_workspace,
)

__all__ = [
    "ScheduledWorkspace",
    "WorkersStatus",
    "WorkspaceStatus",
    "add_workspaces",
    "change_workspace",
    "create_app",
    "create_blueprint",
    "defer_harvest",
    "list_workspaces",
    "prepare_database",
    "read_scheduled_workspaces",
    "read_status",
    "remove_workspace",
    "run_worker",
]
