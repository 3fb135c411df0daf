"""Harvest every conversation of a workspace into one SQLite file.

::

    report = await harvest(client, "calls.db", agent_id="agent_1", since=date(2026, 1, 1), audio=True)
"""

from convai_async.harvest._rows import Failure
from convai_async.harvest.archive import Archive, ArchiveError, ArchiveStatus
from convai_async.harvest.pipeline import harvest
from convai_async.harvest.report import HarvestReport

__all__ = ["Archive", "ArchiveError", "ArchiveStatus", "Failure", "HarvestReport", "harvest"]
