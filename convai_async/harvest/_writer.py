"""The writing side of the archive, and what a harvest has to know of what is there."""

from __future__ import annotations

import time
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import msgspec

from convai_async.harvest import _recordings
from convai_async.harvest._database import (
    ArchiveError,
    contents_of,
    errors_named,
    open_for_writing,
    typed,
    unlock,
    value,
)
from convai_async.harvest._rows import (
    TOOL_CALL_COLUMNS,
    TURN_COLUMNS,
    Failure,
    Fetched,
    Finding,
    Gone,
    Recorded,
    Row,
    listed,
)
from convai_async.harvest.windows import BEGINNING, Window, may_lie_in, merged
from convai_async.models import ConversationSummary
from convai_async.models._time import latest_start
from convai_async.models.enums import FINAL_STATUSES

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from convai_async.audio import SavedAudio

_DETAILS = ("turns", "tool_calls")
_ROWS_A_STEP = 500
_CREDIBLE_START = f"(start_time_unix_secs BETWEEN {BEGINNING} AND ?)"
"""`credible_start` in SQL; its parameter is the latest that can be."""


class Scope(msgspec.Struct, frozen=True):
    """Which conversations a harvest is about.

    Attributes:
        window: When they started.
        agent_id: With which agent; empty stands for all agents.
    """

    window: Window
    agent_id: str = ""

    def condition(self, latest: int) -> tuple[str, list[Any]]:
        """Return what says the same in SQL of the table ``conversations``, and its parameters.

        Conversations without a start, or with one that cannot be, lie in every scope, so that none is forgotten.
        """
        start, end = self.window.start, self.window.end
        condition = f"({_CREDIBLE_START} IS NOT TRUE OR (start_time_unix_secs >= ?"
        parameters: list[Any] = [latest, start]
        if end is not None:
            condition += " AND start_time_unix_secs < ?"
            parameters.append(end)
        condition += "))"
        if self.agent_id:
            condition += " AND agent_id = ?"
            parameters.append(self.agent_id)
        return condition, parameters


class ArchiveWriter:
    """An archive open for writing, by one process at a time. Its methods block; threads take turns.

    Close it with ``with``, or with `close`.

    Args:
        path: The file.
        source: The address of the service that it is of.
        create: Whether to make it when there is no file.
        clock: Tells the time of day in unix seconds.

    Raises:
        ArchiveError: As `open_for_writing`.

    Attributes:
        path: The file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: str,
        *,
        create: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path: Path
        self._connection: sqlite3.Connection
        self.path, self._connection, self._lock_connection = open_for_writing(path, source, create=create)
        self._turn = Lock()
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, when nobody is busy with it any more, and let others write to it."""
        with self._turn:
            self._connection.close()
        unlock(self.path, self._lock_connection)

    def store(
        self, findings: Sequence[Finding], windows: Sequence[Window] = (), *, agent_id: str = "", forget: bool = False
    ) -> None:
        """Write findings, and the windows that they complete, in one transaction.

        Args:
            findings: What was found out, in place of what is there of the same ids.
            windows: Stretches of the list of which everything is known now.
            agent_id: Of which agent's list; empty stands for all agents.
            forget: Whether a conversation that the service has no more is removed, and not only marked.

        Raises:
            ArchiveError: They cannot be written; then none of them was.
        """
        now = int(self._clock())
        fetched = list({item.conversation_id: item for item in findings if isinstance(item, Fetched)}.values())
        gone = [item for item in findings if isinstance(item, Gone)]
        recorded = [item for item in findings if isinstance(item, Recorded)]
        with self._turn, errors_named(self.path), self._connection:
            ids = [item.conversation_id for item in fetched]
            self._delete(_DETAILS, ids)
            self._upsert("conversations", [_at(now, item.row) for item in fetched])
            self._insert_many("turns", TURN_COLUMNS, list(chain.from_iterable(item.turns for item in fetched)))
            self._insert_many(
                "tool_calls", TOOL_CALL_COLUMNS, list(chain.from_iterable(item.tool_calls for item in fetched))
            )
            self._settle_failures(ids, "conversation")
            self._store_recordings(recorded, now)
            self._store_failures([item for item in findings if isinstance(item, Failure)], now)
            if forget:
                self._forget([item.conversation_id for item in gone])
            else:
                self._mark_deleted(gone, now)
            if windows:
                self._add_windows(windows, agent_id)

    def forget(self, ids: Sequence[str]) -> int:
        """Remove conversations and whatever belongs to them, recordings too, and return how many were here.

        Nothing of them is left in the file.

        Raises:
            ArchiveError: They cannot be removed; then none of them was.
        """
        with self._turn, contents_of(self.path), self._connection:
            count = self._forget(ids)
        self.scrub()
        return count

    def scrub(self) -> None:
        """Wipe out what was removed, where it lives on: in the search index until its parts are merged, and in the log.

        The pages that it freed are overwritten already, as the archive is opened with ``secure_delete``.

        Raises:
            ArchiveError: The archive cannot be written; or somebody is reading it as it was, and so keeps the log.
        """
        with self._turn, errors_named(self.path):
            self._connection.execute("INSERT INTO turns_search (turns_search) VALUES ('optimize')")
            self._connection.commit()
            if value(self._connection, "PRAGMA wal_checkpoint (TRUNCATE)"):
                raise ArchiveError(
                    f"the conversations are removed from {str(self.path)!r}, but their bytes are still in its log,"
                    " as another program is reading it: close that, and run the same command again"
                )

    def windows(self, agent_id: str) -> list[Window]:
        """Return the stretches of an agent's list that have been read, from old to new; empty stands for all agents."""
        with self._turn, contents_of(self.path):
            return self._windows({agent_id, ""})

    def count_conversations(self) -> int:
        """Return how many conversations are here that the service has, as far as is known."""
        with self._turn, contents_of(self.path):
            return int(value(self._connection, "SELECT count(*) FROM conversations WHERE deleted_unix_secs IS NULL"))

    def newest_start(self) -> int | None:
        """Return when the newest conversation started, in unix seconds, or None; starts that cannot be do not count."""
        with self._turn, contents_of(self.path):
            newest = value(
                self._connection,
                f"SELECT max(start_time_unix_secs) FROM conversations WHERE {_CREDIBLE_START}",  # noqa: S608
                self._latest,
            )
            return msgspec.convert(newest, int | None)

    def unchanged(self, summaries: Sequence[ConversationSummary]) -> set[str]:
        """Return which of these are here and final, and look in the list as they did when they were fetched."""
        lines = {summary.conversation_id: listed(summary) for summary in summaries}
        rows = self._among(
            f"SELECT conversation_id, listed FROM conversations WHERE status IN {FINAL_STATUSES}"  # noqa: S608
            " AND deleted_unix_secs IS NULL AND conversation_id IN",
            lines,
        )
        return {conversation_id for conversation_id, line in rows if line is None or line == lines[conversation_id]}

    def unfinished(self, scope: Scope) -> list[ConversationSummary]:
        """Return what has to be looked at again: conversations that were not final, and those that failed."""
        condition, parameters = scope.condition(self._latest)
        with self._turn, contents_of(self.path):
            rows = self._connection.execute(
                f"SELECT conversation_id, listed FROM conversations WHERE deleted_unix_secs IS NULL"  # noqa: S608
                f" AND coalesce(status, '') NOT IN {FINAL_STATUSES} AND {condition}"
                " UNION SELECT conversation_id, listed FROM failures WHERE part = 'conversation'",
                parameters,
            ).fetchall()
            summaries = [_summary(conversation_id, line) for conversation_id, line in dict(rows).items()]
        return [summary for summary in summaries if self._may_lie_in(summary, scope)]

    def without_audio(self, scope: Scope, *, ask_again_since: int) -> list[str]:
        """Return the ids of conversations whose recording is to be had and not here (any more), newest first.

        Args:
            scope: Which conversations.
            ask_again_since: The service said that there is none: ask again for conversations that started
                since then, in unix seconds, as a recording can come later than the transcript.
        """
        condition, parameters = scope.condition(self._latest)
        with self._turn, contents_of(self.path):
            rows = self._connection.execute(
                "SELECT conversation_id, path FROM conversations LEFT JOIN audio USING (conversation_id)"  # noqa: S608
                " WHERE has_audio AND deleted_unix_secs IS NULL"
                f" AND (no_audio_unix_secs IS NULL OR start_time_unix_secs >= ?) AND {condition}"
                " ORDER BY start_time_unix_secs DESC",
                [ask_again_since, *parameters],
            )
            return msgspec.convert([each for each, path in rows if path is None or not self._is_there(path)], list[str])

    def absent(self, scope: Scope, ids: Collection[str]) -> list[str]:
        """Return the ids of conversations that are here and started in this scope, but are none of these."""
        condition, parameters = scope.condition(self._latest)
        with self._turn, contents_of(self.path):
            rows = self._connection.execute(
                f"SELECT conversation_id FROM conversations WHERE {_CREDIBLE_START}"  # noqa: S608
                f" AND deleted_unix_secs IS NULL AND {condition}",
                [self._latest, *parameters],
            )
            return msgspec.convert([each for (each,) in rows if each not in ids], list[str])

    def begin_run(self) -> int:
        """Note that a run begins, and return its number. Parts of the list that could not be read are read again."""
        with self._turn, errors_named(self.path), self._connection:
            self._connection.execute("DELETE FROM failures WHERE part = 'list'")
            cursor = self._connection.execute("INSERT INTO runs (started_unix_secs) VALUES (?)", (int(self._clock()),))
            return int(cursor.lastrowid or 0)

    def end_run(self, run_id: int, report: Any) -> None:
        """Note how a run ended."""
        with self._turn, errors_named(self.path), self._connection:
            self._connection.execute(
                "UPDATE runs SET ended_unix_secs = ?, report = ? WHERE run_id = ?",
                (int(self._clock()), msgspec.json.encode(report).decode(), run_id),
            )

    def _store_recordings(self, recorded: Sequence[Recorded], now: int) -> None:
        self._upsert(
            "audio", [_audio_row(item.conversation_id, item.audio, self.path) for item in recorded if item.audio]
        )
        self._connection.executemany(
            "UPDATE conversations SET no_audio_unix_secs = ? WHERE conversation_id = ?",
            [(None if item.audio else item.unix_secs or now, item.conversation_id) for item in recorded],
        )
        self._settle_failures([item.conversation_id for item in recorded], "audio")

    def _store_failures(self, failures: Sequence[Failure], now: int) -> None:
        self._connection.executemany(
            """
            INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                error = excluded.error,
                attempts = attempts + excluded.attempts,
                failed_unix_secs = excluded.failed_unix_secs,
                listed = coalesce(excluded.listed, listed)
            """,
            [
                (item.conversation_id, item.part, item.error, item.attempts, now, listed(item.summary))
                for item in failures
            ],
        )

    def _settle_failures(self, ids: Sequence[str], part: str) -> None:
        self._connection.executemany(
            "DELETE FROM failures WHERE conversation_id = ? AND part = ?",
            [(conversation_id, part) for conversation_id in ids],
        )

    def _mark_deleted(self, gone: Sequence[Gone], now: int) -> None:
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
        self._delete((*_DETAILS, "audio", "failures"), ids)
        return self._connection.executemany(
            "DELETE FROM conversations WHERE conversation_id = ?", [(conversation_id,) for conversation_id in ids]
        ).rowcount

    def _may_lie_in(self, summary: ConversationSummary, scope: Scope) -> bool:
        in_time = may_lie_in(scope.window, summary.start_time_unix_secs, self._latest)
        return in_time and (not scope.agent_id or summary.agent_id in {None, scope.agent_id})

    @property
    def _latest(self) -> int:
        return latest_start(self._clock())

    def _is_there(self, path: str) -> bool:
        return _recordings.is_recording(path) and (self.path.parent / path).exists()

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
            "INSERT INTO windows VALUES (?, ?, ?)", [(agent_id, window.start, window.end) for window in every]
        )

    def _windows(self, agent_ids: Collection[str]) -> list[Window]:
        rows = self._connection.execute("SELECT agent_id, start_unix_secs, end_unix_secs FROM windows")
        return merged(typed(Window, span) for agent_id, *span in rows if agent_id in agent_ids)

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

    def _insert_many(self, table: str, columns: Sequence[str], values: list[Any]) -> None:
        """Insert new rows, whose values stand one after the other.

        Many at a step: between steps this thread would wait for the others each time.
        """
        places = f"({', '.join('?' * len(columns))})"
        many = _ROWS_A_STEP * len(columns)
        for first in range(0, len(values), many):
            some = values[first : first + many]
            rows = ", ".join([places] * (len(some) // len(columns)))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {rows}"  # noqa: S608 - names of our own
            try:
                self._connection.execute(statement, some)
            except OverflowError:
                self._connection.execute(statement, list(map(_unless_giant, some)))

    def _among(self, query: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
        with self._turn, errors_named(self.path):
            encoded = msgspec.json.encode(list(ids)).decode()
            query += " (SELECT value FROM json_each(?))"
            return self._connection.execute(query, (encoded,)).fetchall()


def _summary(conversation_id: str, line: bytes | None) -> ConversationSummary:
    if line is None:
        return typed(ConversationSummary, (conversation_id,))
    return ConversationSummary.from_json(line)


def _without_giants(row: Row) -> Row:
    return {name: _unless_giant(content) for name, content in row.items()}


def _unless_giant(content: Any) -> Any:
    """Return None for an integer that SQLite cannot hold; the JSON has it."""
    return None if isinstance(content, int) and not -(2**63) <= content < 2**63 else content


def _at(now: int, row: Row) -> Row:
    return row if row["fetched_unix_secs"] is not None else row | {"fetched_unix_secs": now}


def _audio_row(conversation_id: str, audio: SavedAudio, archive: Path) -> Row:
    return {
        "conversation_id": conversation_id,
        "path": audio.path.relative_to(archive.parent).as_posix(),
        "size": audio.size,
        "sha256": audio.sha256,
        "content_type": audio.content_type,
    }
