"""A store of conversations in one SQLite file, or in a PostgreSQL database.

::

    with Archive.open("calls.db") as archive:
        for conversation in archive.conversations(agent_id="agent_1"):
            print(conversation.conversation_id, len(conversation.transcript))
"""

from convai_async.archive._archive import Archive
from convai_async.archive._copy import CopyReport, copy_archive
from convai_async.archive._errors import ArchiveBusyError, ArchiveConnectionError, ArchiveError
from convai_async.archive._location import ArchivePath, Location, PostgresUrl, format_command, parse_location
from convai_async.archive._queries._call_list import list_calls
from convai_async.archive._queries._datasette import build_datasette_metadata
from convai_async.archive._queries._run_query import QueryError, QueryResult, run_query
from convai_async.archive._queries._search import SearchHit
from convai_async.archive._queries._statistics import Bucket, Dimension, Metric, compute_statistics
from convai_async.archive._reader import ArchivedConversation, ArchiveReader
from convai_async.archive._recordings import get_file_name as get_recording_file_name
from convai_async.archive._recordings._object_storage import StoredObject
from convai_async.archive._records import Failure, Recording
from convai_async.archive._schema._description import ColumnDescription, TableDescription, describe_tables
from convai_async.archive._status import ArchiveStatus, HarvestRun
from convai_async.archive._webhooks import store_conversation
from convai_async.archive._windows import Window

__all__ = [
    "Archive",
    "ArchiveBusyError",
    "ArchiveConnectionError",
    "ArchiveError",
    "ArchivePath",
    "ArchiveReader",
    "ArchiveStatus",
    "ArchivedConversation",
    "Bucket",
    "ColumnDescription",
    "CopyReport",
    "Dimension",
    "Failure",
    "HarvestRun",
    "Location",
    "Metric",
    "PostgresUrl",
    "QueryError",
    "QueryResult",
    "Recording",
    "SearchHit",
    "StoredObject",
    "TableDescription",
    "Window",
    "build_datasette_metadata",
    "compute_statistics",
    "copy_archive",
    "describe_tables",
    "format_command",
    "get_recording_file_name",
    "list_calls",
    "parse_location",
    "run_query",
    "store_conversation",
]
