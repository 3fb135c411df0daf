"""A store of conversations in one SQLite file.

::

    with Archive.open("calls.db") as archive:
        for conversation in archive.conversations(agent_id="agent_1"):
            print(conversation.conversation_id, len(conversation.transcript))
"""

from convai_async.archive._database import ArchiveBusyError, ArchiveError
from convai_async.archive._export import export, export_to_stream, import_jsonl
from convai_async.archive._reader import Archive, ArchivedConversation, ArchiveStatus, HarvestRun, SearchHit
from convai_async.archive._records import Failure
from convai_async.archive._webhooks import store_conversation
from convai_async.archive._windows import Window

__all__ = [
    "Archive",
    "ArchiveBusyError",
    "ArchiveError",
    "ArchiveStatus",
    "ArchivedConversation",
    "Failure",
    "HarvestRun",
    "SearchHit",
    "Window",
    "export",
    "export_to_stream",
    "import_jsonl",
    "store_conversation",
]
