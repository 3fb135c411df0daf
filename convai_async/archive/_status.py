"""The contents of an archive in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._errors import translate_content_errors
from convai_async.archive._precedence import IS_COMPLETE
from convai_async.archive._records import Failure
from convai_async.archive._sql import fetch_value, to_struct
from convai_async.archive._windows import Window, read_windows

if TYPE_CHECKING:
    from convai_async.archive._connection import Connection
    from convai_async.archive._reader import ArchiveReader


class HarvestRun(msgspec.Struct, frozen=True):
    """A run of the harvest.

    Attributes:
        started_unix_secs: The start in Unix seconds.
        ended_unix_secs: The end in Unix seconds; None if it is still running or was killed.
        report: The attributes of its `HarvestReport` by name, or None.
        error: The error that ended it, or None.
    """

    started_unix_secs: int
    ended_unix_secs: int | None
    report: dict[str, bool | int | float | None] | None
    error: str | None


class ArchiveStatus(msgspec.Struct, frozen=True):
    """The contents of an archive in numbers.

    Attributes:
        source: The address of the service.
        conversations: The number of conversations.
        final: The number of complete conversations (done or failed, with their transcript), which are not fetched
            again.
        deleted: The number of conversations that were deleted at the service.
        undecodable: The number of conversations that are stored as raw JSON only.
        turns: The number of turns.
        recordings: The number of recordings.
        failures: The number of conversations, recordings and parts of the list that could not be fetched.
        oldest_unix_secs: The start of the oldest conversation in Unix seconds, or None.
        newest_unix_secs: The start of the newest conversation in Unix seconds, or None.
        windows: The ranges of time for which the list of all agents was read, oldest first.
        last_run: The last harvest, or None.
        size: The size of the file, or of the database with all its workspaces, in bytes.
    """

    source: str
    conversations: int
    final: int
    deleted: int
    undecodable: int
    turns: int
    recordings: int
    failures: int
    oldest_unix_secs: int | None
    newest_unix_secs: int | None
    windows: list[Window]
    last_run: HarvestRun | None
    size: int


def read_status(reader: ArchiveReader) -> ArchiveStatus:
    """Return the contents of an archive in numbers."""
    connection = reader.connection
    with translate_content_errors(reader.path):
        conversations, final, deleted, undecodable, oldest, newest = connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {IS_COMPLETE}), count(deleted_unix_secs),"  # noqa: S608
            " count(decode_error), min(start_time_unix_secs), max(start_time_unix_secs) FROM conversations"
        ).fetchone()
        return ArchiveStatus(
            source=reader.source(),
            conversations=conversations,
            final=final,
            deleted=deleted,
            undecodable=undecodable,
            turns=_count(connection, "turns"),
            recordings=_count(connection, "audio"),
            failures=_count(connection, "failures"),
            oldest_unix_secs=msgspec.convert(oldest, int | None),
            newest_unix_secs=msgspec.convert(newest, int | None),
            windows=read_windows(connection, {""}),
            last_run=_read_last_run(connection),
            size=reader.measure_size(),
        )


def read_failures(reader: ArchiveReader) -> list[Failure]:
    """Return everything that could not be fetched."""
    with translate_content_errors(reader.path):
        rows = reader.connection.execute(
            "SELECT conversation_id, error, attempts, part FROM failures ORDER BY conversation_id, part"
        )
        return [to_struct(Failure, row) for row in rows]


def _read_last_run(connection: Connection) -> HarvestRun | None:
    row = connection.execute(
        "SELECT started_unix_secs, ended_unix_secs, report, error FROM runs ORDER BY run_id DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    started, ended, report, error = row
    return to_struct(HarvestRun, (started, ended, None if report is None else msgspec.json.decode(report), error))


def _count(connection: Connection, table: str) -> int:
    return int(fetch_value(connection, f"SELECT count(*) FROM {table}"))  # noqa: S608 - a constant
