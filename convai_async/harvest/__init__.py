"""Harvest every conversation of a workspace into one SQLite file.

::

    report = await harvest(client, "calls.db", agent_id="agent_1", since=date(2026, 1, 1), audio=True)
"""

from convai_async.harvest._database import ArchiveBusyError, ArchiveError
from convai_async.harvest._rows import Failure
from convai_async.harvest.archive import Archive, ArchiveStatus, Record, Run, SearchHit
from convai_async.harvest.landing import store_conversation
from convai_async.harvest.pipeline import harvest
from convai_async.harvest.report import HarvestReport
from convai_async.harvest.windows import Window

__all__ = [
    "Archive",
    "ArchiveBusyError",
    "ArchiveError",
    "ArchiveStatus",
    "Failure",
    "HarvestReport",
    "Record",
    "Run",
    "SearchHit",
    "Window",
    "harvest",
    "store_conversation",
]
