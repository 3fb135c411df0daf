"""The archive: one SQLite file that holds every harvested conversation."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from convai_async.errors import ConvAIError
from convai_async.harvest._rows import (
    FINAL_STATUSES,
    Failure,
    Fetched,
    Row,
    conversation_row,
    tool_call_rows,
    turn_rows,
)
from convai_async.harvest._schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from convai_async.audio import SavedAudio

_BUSY_TIMEOUT_SECS = 30


class ArchiveError(ConvAIError):
    """The archive cannot be opened or written, or the file is none of ours."""


class ArchiveStatus(msgspec.Struct, frozen=True):
    """What an archive holds.

    Attributes:
        source: The address of the service that it is of.
        conversations: How many conversations.
        final: How many of them are done or failed, and so need no second look.
        undecodable: How many of them are kept as raw JSON only.
        turns: How many turns.
        recordings: How many recordings.
        failures: How many conversations could not be fetched.
        oldest_unix_secs: When the oldest conversation started, or None.
        newest_unix_secs: When the newest conversation started, or None.
        size: The file's bytes.
    """

    source: str
    conversations: int
    final: int
    undecodable: int
    turns: int
    recordings: int
    failures: int
    oldest_unix_secs: int | None
    newest_unix_secs: int | None
    size: int


class Archive:
    """An open archive; its methods block, and belong into one thread at a time.

    Open it with `create` or `open`, and close it with ``with``, or with `close`.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._connection = connection
        self._clock = clock

    @classmethod
    def create(cls, path: str | os.PathLike[str], source: str) -> Self:
        """Open an archive for writing; make it if there is no file yet.

        A new file is readable by its owner only. A file that is not an archive is left alone.

        Args:
            path: The file. Its folder must exist.
            source: The address of the service that it is of.

        Raises:
            ArchiveError: The file is something else, of another source, of a newer version, or not writable.
        """
        file = _checked_path(path)
        try:
            fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ArchiveError(f"{str(file)!r} cannot be written: {error.strerror}") from error
        os.close(fd)
        archive = cls(file, _connect(file, "rw"))
        try:
            with _errors_named(file):
                archive._prepare(source)
        except BaseException:
            archive.close()
            raise
        return archive

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open an archive for reading.

        Raises:
            ArchiveError: There is no such file, it is something else, or of a newer version.
        """
        file = _checked_path(path)
        if not file.exists():
            raise ArchiveError(f"there is no archive {str(file)!r}: make one with `convai-async harvest {file}`")
        archive = cls(file, _connect(file, "ro"))
        try:
            with _errors_named(file):
                archive._check_identity()
        except BaseException:
            archive.close()
            raise
        return archive

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        self._connection.close()

    def store(self, batch: Sequence[Fetched | Failure]) -> None:
        """Write conversations and failures in one transaction, in place of what is there of the same ids.

        Raises:
            ArchiveError: They cannot be written; then none of them was.
        """
        now = int(self._clock())
        latest = {item.conversation_id: item for item in batch}.values()
        fetched = [item for item in latest if isinstance(item, Fetched)]
        failures = [item for item in latest if isinstance(item, Failure)]
        with _errors_named(self.path), self._connection:
            self._forget_details([item.conversation_id for item in fetched])
            self._insert("conversations", [conversation_row(item, now) for item in fetched])
            for item in fetched:
                if item.conversation is not None:
                    self._insert("turns", list(turn_rows(item.conversation)))
                    self._insert("tool_calls", list(tool_call_rows(item.conversation)))
            self._insert(
                "audio",
                [_audio_row(item.conversation_id, item.audio, self.path) for item in fetched if item.audio is not None],
            )
            self._connection.executemany(
                """
                INSERT INTO failures VALUES (?, ?, ?, ?) ON CONFLICT (conversation_id) DO UPDATE SET
                    error = excluded.error,
                    attempts = attempts + excluded.attempts,
                    failed_unix_secs = excluded.failed_unix_secs
                """,
                [(item.conversation_id, item.error, item.attempts, now) for item in failures],
            )

    def final_ids(self, ids: Iterable[str]) -> set[str]:
        """Return which of these conversations are here and final."""
        return self._ids_among(ids, "conversations", f"status IN {FINAL_STATUSES}")

    def ids_with_audio(self, ids: Iterable[str]) -> set[str]:
        """Return of which of these conversations the recording is here, or known not to exist."""
        with_recording = self._ids_among(ids, "audio", "true")
        return with_recording | self._ids_among(ids, "conversations", "NOT has_audio")

    def status(self) -> ArchiveStatus:
        """Return what the archive holds."""
        with _errors_named(self.path):
            final, undecodable, oldest, newest, conversations = self._connection.execute(
                f"SELECT count(*) FILTER (WHERE status IN {FINAL_STATUSES}), count(decode_error),"  # noqa: S608
                " min(start_time_unix_secs), max(start_time_unix_secs), count(*) FROM conversations"
            ).fetchone()
            return ArchiveStatus(
                source=self._value("SELECT source FROM archive"),
                conversations=conversations,
                final=final,
                undecodable=undecodable,
                turns=self._value("SELECT count(*) FROM turns"),
                recordings=self._value("SELECT count(*) FROM audio"),
                failures=self._value("SELECT count(*) FROM failures"),
                oldest_unix_secs=oldest,
                newest_unix_secs=newest,
                size=self.path.stat().st_size,
            )

    def failures(self) -> list[Failure]:
        """Return what could not be fetched."""
        with _errors_named(self.path):
            rows = self._connection.execute("SELECT conversation_id, error, attempts FROM failures ORDER BY 1")
            return [Failure(*row) for row in rows]

    def _prepare(self, source: str) -> None:
        connection = self._connection
        # WAL lets people query while a harvest runs. FULL syncs it at every commit: a batch that the
        # harvest counts as written is still there after a power failure.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if self._value("SELECT count(*) FROM sqlite_schema") == 0 and self._value("PRAGMA application_id") == 0:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(
                f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
            )
            connection.execute("INSERT INTO archive VALUES (?)", (source,))
            connection.commit()
        self._check_identity()
        present = self._value("SELECT source FROM archive")
        if present != source:
            raise ArchiveError(
                f"{str(self.path)!r} holds conversations of {present}, not of {source}: name another file"
            )

    def _check_identity(self) -> None:
        if self._value("PRAGMA application_id") != APPLICATION_ID:
            raise ArchiveError(f"{str(self.path)!r} is a database, but no archive of ours: name another file")
        version = self._value("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            raise ArchiveError(
                f"{str(self.path)!r} was written by a newer convai_async (schema {version}, this one knows"
                f" {SCHEMA_VERSION}): upgrade with `pip install -U convai-async`"
            )

    def _forget_details(self, ids: Sequence[str]) -> None:
        for table in ("turns", "tool_calls", "failures"):
            self._connection.executemany(
                f"DELETE FROM {table} WHERE conversation_id = ?",  # noqa: S608 - names of our own
                [(conversation_id,) for conversation_id in ids],
            )

    def _insert(self, table: str, rows: list[Row]) -> None:
        if not rows:
            return
        columns = list(rows[0])
        names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
        # An upsert, since REPLACE would delete the old row, and by the foreign keys its recording.
        self._connection.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({values}) ON CONFLICT DO UPDATE SET {updates}",  # noqa: S608
            rows,
        )

    def _ids_among(self, ids: Iterable[str], table: str, condition: str) -> set[str]:
        with _errors_named(self.path):
            rows = self._connection.execute(
                f"SELECT conversation_id FROM {table} WHERE {condition}"  # noqa: S608 - names of our own
                " AND conversation_id IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode(list(ids)).decode(),),
            )
            return {conversation_id for (conversation_id,) in rows}

    def _value(self, query: str) -> Any:
        return self._connection.execute(query).fetchone()[0]


def _audio_row(conversation_id: str, audio: SavedAudio, archive: Path) -> Row:
    return {
        "conversation_id": conversation_id,
        "path": audio.path.relative_to(archive.parent).as_posix(),
        "size": audio.size,
        "sha256": audio.sha256,
        "content_type": audio.content_type,
    }


def _checked_path(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if file.is_dir():
        raise ArchiveError(f"{str(file)!r} is a folder: name a file in it, such as '{file / 'calls.db'}'")
    if not file.parent.is_dir():
        raise ArchiveError(f"the folder {str(file.parent)!r} does not exist: make it with `mkdir -p {file.parent}`")
    return file


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    with _errors_named(file):
        return sqlite3.connect(
            f"{file.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_TIMEOUT_SECS,
            check_same_thread=False,  # worker threads take turns with it
        )


@contextmanager
def _errors_named(file: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, which name the file."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise ArchiveError(f"{str(file)!r} exists and is no archive: name another file") from error
        raise ArchiveError(f"{str(file)!r}: {error}") from error
