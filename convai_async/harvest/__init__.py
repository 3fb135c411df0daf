"""Harvest every conversation of a workspace into an archive, one SQLite file; or many workspaces at once.

::

    report = await harvest(client, "calls.db", agent_id="agent_1", since=date(2026, 1, 1), audio=True)
    reports = await harvest_many(read_workspaces("workspaces.toml"))
"""

from convai_async.harvest._api import harvest
from convai_async.harvest._many import harvest_many
from convai_async.harvest._report import HarvestReport
from convai_async.harvest._workspace_harvest import WorkspaceReport, open_workspace_client
from convai_async.harvest._workspaces import Workspace, read_workspaces

__all__ = [
    "HarvestReport",
    "Workspace",
    "WorkspaceReport",
    "harvest",
    "harvest_many",
    "open_workspace_client",
    "read_workspaces",
]
