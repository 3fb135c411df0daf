"""Harvest every conversation of a workspace into an archive, one SQLite file.

::

    report = await harvest(client, "calls.db", agent_id="agent_1", since=date(2026, 1, 1), audio=True)
"""

from convai_async.harvest._api import harvest
from convai_async.harvest._report import HarvestReport

__all__ = ["HarvestReport", "harvest"]
