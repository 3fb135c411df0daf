"""Write to an archive."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import msgspec

from convai_async.archive import _recordings
from convai_async.archive._binding import bind, build_other_key_error, matches_key
from convai_async.archive._changes import (
    add_windows,
    clear_failures,
    find_recordings,
    mark_deleted,
    remove_conversations,
    store_failures,
    store_recordings,
)
from convai_async.archive._contents import is_empty
from convai_async.archive._deleted_ids import find_deleted
from convai_async.archive._errors import ArchiveBusyError, ArchiveError, translate_content_errors, translate_errors
from convai_async.archive._lookups import ArchiveLookups
from convai_async.archive._precedence import DocumentState
from convai_async.archive._records import ConversationUpdate, DeletionUpdate, Failure, RecordingUpdate, Update
from convai_async.archive._sql import close_on_error, fetch_value
from convai_async.archive._steps._jobs import has_steps, queue_conversations
from convai_async.archive._store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from types import TracebackType

    from convai_async.archive._location import ArchivePath, PostgresUrl
    from convai_async.archive._windows import Window

_logger = logging.getLogger("convai_async")


class ArchiveWriter(ArchiveLookups):
    """An archive open for writing. Its methods block; threads take turns.

    Close it with ``with``, or with `close`.

    Args:
        path: The file, or the URL of a database.
        source: The address of the service that the conversations are from; None accepts any, for one that exists.
        create: Whether to create the archive if it does not exist.
        exclusive: Whether to keep others from opening it as exclusive. Writers that are not exclusive can write at the
            same time: each write is one transaction, and they wait for each other.
        hash_api_key: Returns the hash of the API key with a salt: `ConvAIClient.hash_api_key`. None if the key is not
            known.
        same_workspace: Whether to accept another key than the one that the archive is bound to.
        clock: Returns the current time in Unix seconds.

    Raises:
        ArchiveBusyError: Another process has it open as exclusive, or has been writing for 30 s.
        ArchiveError: The file is not a convai archive, belongs to another service, has a newer version, is bound to
            another key, has hard links, or cannot be written.

    Attributes:
        path: The file.
        is_bound: Whether the archive is bound to the key; True without a key.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        path: ArchivePath | PostgresUrl,
        source: str | None,
        *,
        create: bool = True,
        exclusive: bool = True,
        hash_api_key: Callable[[bytes], bytes] | None = None,
        same_workspace: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = open_store(path, source, create=create, exclusive=exclusive)
        super().__init__(self._store.path, self._store.connection, clock)
        self._run_id: int | None = None
        self._hash_api_key = hash_api_key
        with close_on_error(self):
            self.is_bound = self._check_or_bind_key(same_workspace=same_workspace)
            if exclusive:
                self._scrub_if_due()

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
        """Close the file when no thread uses it, and let others write to it."""
        with self._lock:
            self._store.close()

    def bind(self) -> None:
        """Bind the archive to the key that it was opened with."""
        if self._hash_api_key is not None:
            with self._transaction():
                bind(self._connection, self._hash_api_key)
        self.is_bound = True

    def _check_or_bind_key(self, *, same_workspace: bool) -> bool:
        """Bind an empty archive to the key, and return whether the archive is bound to it."""
        if self._hash_api_key is None:
            return True
        with translate_content_errors(self.path):
            matches = matches_key(self._connection, self._hash_api_key)
            if matches:
                return True
            if is_empty(self._connection):
                self.bind()
                return True
        if matches is None or same_workspace:
            return False
        raise build_other_key_error(self.path)

    def store(
        self,
        updates: Sequence[Update],
        windows: Sequence[Window] = (),
        *,
        agent_id: str = "",
        remove_deleted: bool = False,
        at_service: bool = False,
    ) -> set[str]:
        """Write updates, and the windows that they complete, in one transaction.

        Updates of conversations that were deleted from the archive are not written.

        Args:
            updates: The updates; a conversation replaces the one of the same id.
            windows: Ranges of the list that were read.
            agent_id: The agent whose list it is; empty stands for all agents.
            remove_deleted: Whether to remove conversations that the service has deleted, instead of marking them.
            at_service: Whether the service has just returned the conversations: those that were pruned are written
                again then.

        Returns:
            The ids of the updates that were not written.

        Raises:
            ArchiveError: The updates cannot be written; none of them was.
        """
        now = int(self._clock())
        removed = [item.conversation_id for item in updates if isinstance(item, DeletionUpdate) and remove_deleted]
        self._remove_recordings(removed)
        with self._transaction():
            skipped = find_deleted(self._connection, {item.conversation_id for item in updates}, at_service=at_service)
            updates = [item for item in updates if item.conversation_id not in skipped]
            fetched = list(
                {item.conversation_id: item for item in updates if isinstance(item, ConversationUpdate)}.values()
            )
            gone = [item for item in updates if isinstance(item, DeletionUpdate)]
            recorded = [item for item in updates if isinstance(item, RecordingUpdate)]
            self._store_conversations([item for item in fetched if not self._is_outdated(item)], now)
            clear_failures(self._connection, (item.conversation_id for item in fetched), "conversation")
            store_recordings(self._connection, recorded, now)
            store_failures(self._connection, (item for item in updates if isinstance(item, Failure)), now)
            if remove_deleted:
                remove_conversations(self._connection, removed, now, pruned=True)
            else:
                mark_deleted(self._connection, gone, now)
            if windows:
                add_windows(self._connection, windows, agent_id)
        return skipped

    def store_rows(self, table: str, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of a table, in place of those with the same key.

        Rows of conversations that were deleted from the archive are not written.

        Raises:
            ArchiveError: They cannot be written; none of them was.
        """
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
        with self._transaction():
            if "conversation_id" in columns:
                place = columns.index("conversation_id")
                deleted = find_deleted(self._connection, {row[place] for row in rows})
                rows = [row for row in rows if row[place] not in deleted]
            self._connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
                f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}",
                rows,
            )

    def copy_binding(self, salt: bytes | None, fingerprint: bytes | None) -> None:
        """Bind the archive to the key of another one, unless it is bound already."""
        with self._transaction():
            self._connection.execute(
                "UPDATE archive SET key_salt = ?, key_fingerprint = ? WHERE key_fingerprint IS NULL",
                (salt, fingerprint),
            )

    def store_if_better(self, item: ConversationUpdate) -> bool:
        """Store a webhook's conversation, unless the stored one is better or it was deleted; return whether it was.

        `Archive.add` has the rule. Columns for which the new document has no value stay.

        Raises:
            ArchiveError: It cannot be written.
        """
        now = int(self._clock())
        unix_secs = item.row["fetched_unix_secs"]
        row = item.row | {"fetched_unix_secs": None if unix_secs is None else min(unix_secs, now)}
        item = msgspec.structs.replace(item, row=row)
        document = DocumentState.from_update(item)
        with self._transaction():
            if find_deleted(self._connection, [item.conversation_id]):
                _logger.info("a conversation that was deleted from %r was not stored again", str(self.path))
                return False
            stored = DocumentState.read(self._connection, item.conversation_id)
            if stored is not None:
                if not document.may_replace(stored):
                    return False
                kept = {name for name, content in row.items() if content is None} - {
                    "decode_error",
                    "fetched_unix_secs",
                }
                row = {name: content for name, content in row.items() if name not in kept}
                row["has_audio"] = document.has_audio or stored.has_audio
                item = msgspec.structs.replace(item, row=row)
            self._store_conversations([item], now)
            if document.is_final and document.turns:
                clear_failures(self._connection, [item.conversation_id], "conversation")
        return True

    def _store_conversations(self, updates: Sequence[ConversationUpdate], now: int) -> None:
        """Store conversations, and queue them for the steps that are known."""
        changed = self._store.store_conversations(updates, now)
        if has_steps(self._connection):
            queue_conversations(self._connection, [each.conversation_id for each in updates], changed, now)

    def remove(self, ids: Sequence[str]) -> int:
        """Remove conversations with all their data, and return how many were removed.

        Nothing of them is left in the file.

        Raises:
            ArchiveError: They cannot be removed; none of them was. Or their rows are removed, but not their last
                bytes: see `scrub`.
            OSError, StorageError: A recording cannot be removed; the rows were not.
        """
        with translate_content_errors(self.path):
            self._remove_recordings(ids)
            with self._transaction():
                count = remove_conversations(self._connection, ids, int(self._clock()))
        self.scrub()
        return count

    def _remove_recordings(self, ids: Sequence[str]) -> None:
        """Remove recordings before their rows, and outside a transaction: an object store can take long."""
        if not ids:
            return
        with self._transaction():  # which this process may still write
            rows = find_recordings(self._connection, ids)
        _recordings.remove(self.file, ids, rows)

    def scrub(self) -> None:
        """Wipe what deleted rows have left in the database: see `Store.scrub`.

        Removing rows notes in the same transaction that this is due; if it is not, nothing happens.

        Raises:
            ArchiveBusyError: Another process is reading, and so keeps the log. The scrub stays due.
            ArchiveError: The archive cannot be written.
        """
        with self._lock, translate_content_errors(self.path):
            if not fetch_value(self._connection, "SELECT scrub_due FROM archive"):
                return
            self._store.scrub()
            self._connection.execute("UPDATE archive SET scrub_due = 0")

    def _scrub_if_due(self) -> None:
        try:
            self.scrub()
        except ArchiveBusyError as error:
            _logger.warning("%s", error)  # the end of the run tries again

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write in one transaction, after checking that this process may still write."""
        with self._lock, translate_errors(self.path), self._store.transaction():
            self._check_run()
            yield

    def _check_run(self) -> None:
        """Make sure that the file still has everything that this run has written.

        Raises:
            ArchiveError: Its contents were replaced by older ones: a window must not be noted as read.
        """
        if self._run_id is not None and not fetch_value(
            self._connection,
            "SELECT EXISTS (SELECT 1 FROM runs WHERE run_id = ? AND ended_unix_secs IS NULL)",
            self._run_id,
        ):
            raise ArchiveError(
                f"the contents of {str(self.path)!r} were replaced while it was being written, as by restoring a"
                " backup: run the same command again"
            )

    def _check_in_place(self) -> None:
        with self._lock, translate_errors(self.path):
            self._store.check_in_place()

    def begin_run(self) -> int:
        """Record the start of a run, and return its number."""
        with self._transaction():
            self._run_id = int(
                fetch_value(
                    self._connection,
                    "INSERT INTO runs (started_unix_secs) VALUES (?) RETURNING run_id",
                    int(self._clock()),
                )
            )
        return self._run_id

    def keep_list_failures(self, ids: Collection[str]) -> None:
        """Remove the failures of parts of the list, except for these, after the whole list was read.

        Raises:
            ArchiveError: They cannot be removed.
        """
        with self._transaction():
            rows = self._connection.execute("SELECT conversation_id FROM failures WHERE part = 'list'").fetchall()
            clear_failures(self._connection, [each for (each,) in rows if each not in ids], "list")

    def end_run(self, run_id: int, report: Any, error: str | None = None) -> None:
        """Record how a run ended.

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

    def _is_outdated(self, item: ConversationUpdate) -> bool:
        """Return whether a webhook has stored a final version of a conversation that was fetched before."""
        if item.is_final:
            return False
        stored = DocumentState.read(self._connection, item.conversation_id)
        return (
            stored is not None
            and stored.from_webhook
            and stored.is_final
            and stored.is_as_complete_as(DocumentState.from_update(item))
        )
