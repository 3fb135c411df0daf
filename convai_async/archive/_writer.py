"""The writing side of the archive."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import msgspec

from convai_async.archive import _recordings
from convai_async.archive._binding import bind, check_key
from convai_async.archive._columns import DETAIL_TABLES, TOOL_CALLS, TURNS, Table
from convai_async.archive._database import (
    ArchiveBusyError,
    ArchiveError,
    FileIdentity,
    check_in_place,
    contents_of,
    errors_named,
    open_for_writing,
    transaction,
    value,
)
from convai_async.archive._lookups import ArchiveQueries
from convai_async.archive._precedence import Document
from convai_async.archive._records import (
    ConversationUpdate,
    DeletionUpdate,
    Failure,
    Recording,
    RecordingUpdate,
    Update,
    summary_json,
)
from convai_async.archive._rows import DetailRow, Row, inserted_columns
from convai_async.archive._windows import Window, merged

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

_logger = logging.getLogger("convai_async")

_DETAILS = tuple(table.name for table in DETAIL_TABLES)
_MESSAGE = inserted_columns(TURNS).index("message")
_ROWS_A_STEP = 500


class ArchiveWriter(ArchiveQueries):
    """An archive open for writing. Its methods block; threads take turns.

    Close it with ``with``, or with `close`.

    Args:
        path: The file.
        source: The address of the service that it is of.
        create: Whether to make it when there is no file.
        exclusive: Whether to keep others from opening it like this. Those that are not exclusive can write meanwhile:
            each write is one transaction, and they wait for each other.
        key_fingerprint: Returns the hash of the API key with a salt: `ConvAIClient.key_fingerprint`. None if
            what is written comes without a key.
        same_workspace: Whether to accept another key than the one that the archive is bound to.
        clock: Tells the time of day in unix seconds.

    Raises:
        ArchiveBusyError: Somebody else has it open like this, or is writing to it for too long.
        ArchiveError: The file is something else, of another source, of a newer version, bound to another key, has
            hard links, or cannot be written.

    Attributes:
        path: The file.
        bound: Whether it is bound to the key; True without a key.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        path: str | os.PathLike[str],
        source: str,
        *,
        create: bool = True,
        exclusive: bool = True,
        key_fingerprint: Callable[[bytes], bytes] | None = None,
        same_workspace: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        file, connection, self._lock = open_for_writing(path, source, create=create, exclusive=exclusive)
        super().__init__(file, connection, clock)
        self._identity = FileIdentity.of(file)
        self._run_id: int | None = None
        self._key_fingerprint = key_fingerprint
        try:
            with contents_of(file):
                self.bound = key_fingerprint is None or check_key(
                    connection, file, key_fingerprint, same_workspace=same_workspace
                )
            if exclusive:
                self._scrub_what_was_left()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._check_in_place()
        finally:
            self.close()

    def close(self) -> None:
        """Close the file, when nobody is busy with it any more, and let others write to it."""
        with self._turn:
            self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def bind(self) -> None:
        """Bind the archive to the key that it was opened with."""
        if self._key_fingerprint is not None:
            with self._turn, errors_named(self.path):
                bind(self._connection, self._key_fingerprint)
        self.bound = True

    def store(
        self, updates: Sequence[Update], windows: Sequence[Window] = (), *, agent_id: str = "", forget: bool = False
    ) -> None:
        """Write updates, and the windows that they complete, in one transaction.

        Args:
            updates: What was found out, in place of what is there of the same ids.
            windows: Stretches of the list of which everything is known now.
            agent_id: Of which agent's list; empty stands for all agents.
            forget: Whether a conversation that the service has no more is removed, and not only marked.

        Raises:
            ArchiveError: They cannot be written; then none of them was.
        """
        now = int(self._clock())
        fetched = list(
            {item.conversation_id: item for item in updates if isinstance(item, ConversationUpdate)}.values()
        )
        gone = [item for item in updates if isinstance(item, DeletionUpdate)]
        recorded = [item for item in updates if isinstance(item, RecordingUpdate)]
        with self._transaction():
            self._put([item for item in fetched if not self._came_too_late(item)], now)
            self._clear_failures([item.conversation_id for item in fetched], "conversation")
            self._store_recordings(recorded, now)
            self._store_failures([item for item in updates if isinstance(item, Failure)], now)
            if forget:
                self._forget([item.conversation_id for item in gone])
            else:
                self._mark_deleted(gone, now)
            if windows:
                self._add_windows(windows, agent_id)

    def store_if_better(self, item: ConversationUpdate) -> None:
        """Write what a webhook brought, unless it would replace something newer or more complete.

        See `store_conversation` for the rule. What the archive knows beside the document stays.

        Raises:
            ArchiveError: It cannot be written.
        """
        now = int(self._clock())
        unix_secs = item.row["fetched_unix_secs"]
        row = item.row | {"fetched_unix_secs": None if unix_secs is None else min(unix_secs, now)}
        item = msgspec.structs.replace(item, row=row)
        document = Document.of(item)
        with self._transaction():
            stored = Document.stored(self._connection, item.conversation_id)
            if stored is not None:
                if not document.may_replace(stored):
                    return
                kept = {name for name, content in row.items() if content is None} - {
                    "decode_error",
                    "fetched_unix_secs",
                }
                row = {name: content for name, content in row.items() if name not in kept}
                row["has_audio"] = document.has_audio or stored.has_audio
                item = msgspec.structs.replace(item, row=row)
            self._put([item], now)
            if document.final and document.turns:
                self._clear_failures([item.conversation_id], "conversation")

    def forget(self, ids: Sequence[str]) -> int:
        """Remove conversations and whatever belongs to them, recordings too, and return how many were here.

        Nothing of them is left in the file.

        Raises:
            ArchiveError: They cannot be removed; then none of them was. Or they are, but not their last traces:
                see `scrub`.
        """
        with contents_of(self.path), self._transaction():
            count = self._forget(ids)
        self.scrub()
        return count

    def scrub(self) -> None:
        """Wipe out what was removed, where it lives on: in the search index until its parts are merged, and in the log.

        The pages that it freed are overwritten already, as the archive is opened with ``secure_delete``. Removing
        rows notes that this is due, in the same transaction; when it is not, nothing happens.

        Raises:
            ArchiveBusyError: Somebody is reading the archive as it was, and so keeps the log. It stays due.
            ArchiveError: The archive cannot be written.
        """
        with self._turn, contents_of(self.path):
            if not value(self._connection, "SELECT scrub_due FROM archive"):
                return
            self._connection.execute("INSERT INTO turns_search (turns_search) VALUES ('optimize')")
            if value(self._connection, "PRAGMA wal_checkpoint (TRUNCATE)"):
                raise ArchiveBusyError(
                    f"the conversations are removed from {str(self.path)!r}, but their bytes are still in its log,"
                    " as another program is reading it: close that, and run the same command again"
                )
            self._connection.execute("UPDATE archive SET scrub_due = 0")

    def _scrub_what_was_left(self) -> None:
        try:
            self.scrub()
        except ArchiveBusyError as error:
            _logger.warning("%s", error)  # the end of the run tries again

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write in one transaction, alone, if the file still has its name."""
        with self._turn, errors_named(self.path):
            check_in_place(self.path, self._identity, self._connection)
            with transaction(self._connection):
                self._check_run()
                yield

    def _check_run(self) -> None:
        """Make sure that what this run has written is still there.

        Raises:
            ArchiveError: The file's contents are older than the run: a window must not be noted for what they lack.
        """
        if self._run_id is not None and not value(
            self._connection,
            "SELECT EXISTS (SELECT 1 FROM runs WHERE run_id = ? AND ended_unix_secs IS NULL)",
            self._run_id,
        ):
            raise ArchiveError(
                f"the contents of {str(self.path)!r} were replaced while it was being written, as by restoring a"
                " backup: run the same command again"
            )

    def _check_in_place(self) -> None:
        with self._turn, errors_named(self.path):
            check_in_place(self.path, self._identity, self._connection)

    def _put(self, items: Sequence[ConversationUpdate], now: int) -> None:
        if any(map(self._takes_words_away, items)):
            self._connection.execute("UPDATE archive SET scrub_due = 1")
        self._delete(_DETAILS, [item.conversation_id for item in items])
        self._upsert("conversations", [_at(now, item.row) for item in items])
        self._insert_many(TURNS, [row for item in items for row in item.turns])
        self._insert_many(TOOL_CALLS, [row for item in items for row in item.tool_calls])

    def _takes_words_away(self, item: ConversationUpdate) -> bool:
        """Return whether a turn that is here is not in the new document, as after the service has redacted it."""
        said = {row[_MESSAGE] for row in item.turns}
        rows = self._connection.execute(
            "SELECT message FROM turns WHERE conversation_id = ? AND message IS NOT NULL", (item.conversation_id,)
        )
        return any(message not in said for (message,) in rows)

    def _came_too_late(self, item: ConversationUpdate) -> bool:
        """Tell whether a webhook brought the end of a conversation that was fetched before it."""
        if item.final:
            return False
        stored = Document.stored(self._connection, item.conversation_id)
        return (
            stored is not None and stored.from_webhook and stored.final and stored.is_as_complete_as(Document.of(item))
        )

    def begin_run(self) -> int:
        """Note that a run begins, and return its number."""
        with self._transaction():
            cursor = self._connection.execute("INSERT INTO runs (started_unix_secs) VALUES (?)", (int(self._clock()),))
        self._run_id = int(cursor.lastrowid or 0)
        return self._run_id

    def keep_list_failures(self, ids: Collection[str]) -> None:
        """Remove the failures of parts of the list, except for these: the whole list was read again.

        Raises:
            ArchiveError: They cannot be removed.
        """
        with self._transaction():
            rows = self._connection.execute("SELECT conversation_id FROM failures WHERE part = 'list'").fetchall()
            self._clear_failures([each for (each,) in rows if each not in ids], "list")

    def end_run(self, run_id: int, report: Any, error: str | None = None) -> None:
        """Note how a run ended.

        Args:
            run_id: The run's number.
            report: Its counts.
            error: The error that ended it, or None.

        Raises:
            ArchiveError: It cannot be written, as the file or its contents were moved, removed or replaced.
        """
        with self._transaction():
            self._connection.execute(
                "UPDATE runs SET ended_unix_secs = ?, report = ?, error = ? WHERE run_id = ?",
                (int(self._clock()), msgspec.json.encode(report).decode(), error, run_id),
            )
        self._run_id = None

    def _store_recordings(self, recorded: Sequence[RecordingUpdate], now: int) -> None:
        self._upsert(
            "audio", [_audio_row(item.conversation_id, item.audio, self.path) for item in recorded if item.audio]
        )
        self._connection.executemany(
            "UPDATE conversations SET no_audio_unix_secs = ? WHERE conversation_id = ?",
            [(None if item.audio else item.unix_secs or now, item.conversation_id) for item in recorded],
        )
        self._clear_failures([item.conversation_id for item in recorded], "audio")

    def _store_failures(self, failures: Sequence[Failure], now: int) -> None:
        self._connection.executemany(
            """
            INSERT INTO failures (conversation_id, part, error, attempts, failed_unix_secs, summary_json)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                error = excluded.error,
                attempts = attempts + excluded.attempts,
                failed_unix_secs = excluded.failed_unix_secs,
                summary_json = coalesce(excluded.summary_json, summary_json)
            """,
            [
                (item.conversation_id, item.part, item.error, item.attempts, now, summary_json(item.summary))
                for item in failures
            ],
        )

    def _clear_failures(self, ids: Sequence[str], part: str) -> None:
        self._connection.executemany(
            "DELETE FROM failures WHERE conversation_id = ? AND part = ?",
            [(conversation_id, part) for conversation_id in ids],
        )

    def _mark_deleted(self, gone: Sequence[DeletionUpdate], now: int) -> None:
        self._connection.executemany(
            "UPDATE conversations SET deleted_unix_secs = ? WHERE conversation_id = ?",
            [(item.unix_secs or now, item.conversation_id) for item in gone],
        )
        self._delete(("failures",), [item.conversation_id for item in gone])

    def _forget(self, ids: Sequence[str]) -> int:
        paths = [
            path
            for conversation_id in ids
            for (path,) in self._connection.execute(
                "SELECT path FROM audio WHERE conversation_id = ?", (conversation_id,)
            )
        ]
        _recordings.remove(self.path, ids, paths)
        changes = self._connection.total_changes
        self._delete((*_DETAILS, "audio", "failures"), ids)
        # A line of the list that could not be read has no id of its own.
        self._connection.executemany(
            "DELETE FROM failures WHERE part = 'list' AND instr(summary_json, ?)",
            [(msgspec.json.encode(each),) for each in ids],
        )
        count = self._connection.executemany(
            "DELETE FROM conversations WHERE conversation_id = ?", [(conversation_id,) for conversation_id in ids]
        ).rowcount
        if self._connection.total_changes > changes:
            self._connection.execute("UPDATE archive SET scrub_due = 1")
        return count

    def _delete(self, tables: Sequence[str], ids: Sequence[str]) -> None:
        for table in tables:
            self._connection.executemany(
                f"DELETE FROM {table} WHERE conversation_id = ?",  # noqa: S608 - names of our own
                [(conversation_id,) for conversation_id in ids],
            )

    def _add_windows(self, windows: Sequence[Window], agent_id: str) -> None:
        every = merged([*self._windows({agent_id}), *windows])
        self._connection.execute("DELETE FROM windows WHERE agent_id = ?", (agent_id,))
        self._connection.executemany(
            "INSERT INTO windows (agent_id, start_unix_secs, end_unix_secs) VALUES (?, ?, ?)",
            [(agent_id, window.start, window.end) for window in every],
        )

    def _upsert(self, table: str, rows: list[Row]) -> None:
        if not rows:
            return
        columns = list(rows[0])
        names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
        # An upsert, since REPLACE would delete the old row, and by the foreign keys its recording.
        statement = f"INSERT INTO {table} ({names}) VALUES ({values}) ON CONFLICT DO UPDATE SET {updates}"  # noqa: S608
        try:
            self._connection.executemany(statement, rows)
        except OverflowError:
            self._connection.executemany(statement, map(_without_giants, rows))

    def _insert_many(self, table: Table, rows: list[DetailRow]) -> None:
        """Insert new rows of a detail table.

        Many with one statement: between statements this thread would wait for the others each time.
        """
        columns = inserted_columns(table)
        places = f"({', '.join('?' * len(columns))})"
        for first in range(0, len(rows), _ROWS_A_STEP):
            some = rows[first : first + _ROWS_A_STEP]
            values = list(chain.from_iterable(some))
            statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {', '.join([places] * len(some))}"  # noqa: S608
            try:
                self._connection.execute(statement, values)
            except OverflowError:
                self._connection.execute(statement, list(map(_int64_or_none, values)))


def _without_giants(row: Row) -> Row:
    return {name: _int64_or_none(content) for name, content in row.items()}


def _int64_or_none(content: Any) -> Any:
    """Return None for an integer that SQLite cannot hold; the JSON has it."""
    return None if isinstance(content, int) and not -(2**63) <= content < 2**63 else content


def _at(now: int, row: Row) -> Row:
    return row if row["fetched_unix_secs"] is not None else row | {"fetched_unix_secs": now}


def _audio_row(conversation_id: str, audio: Recording, archive: Path) -> Row:
    return {
        "conversation_id": conversation_id,
        "path": audio.path.relative_to(archive.parent).as_posix(),
        "size": audio.size,
        "sha256": audio.sha256,
        "content_type": audio.content_type,
    }
