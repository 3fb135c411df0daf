"""Look up what an archive has, to decide what a harvest fetches."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async._support.timestamps import compute_latest_start
from convai_async.archive import _recordings
from convai_async.archive._conditions import CREDIBLE_START, Condition, build_condition
from convai_async.archive._deleted_ids import find_deleted
from convai_async.archive._errors import translate_content_errors, translate_errors
from convai_async.archive._precedence import IS_COMPLETE
from convai_async.archive._records import encode_summary, is_same_entry
from convai_async.archive._sql import BY_ID, encode_list, fetch_value, to_struct
from convai_async.archive._windows import BEGINNING, Window, may_be_in, read_windows
from convai_async.errors import DecodeError
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from convai_async.archive._connection import Connection
    from convai_async.archive._location import Location

_SHOWN = ("status", "call_successful", "call_summary_title", "transcript_summary", "rating")
"""The columns of a complete conversation that the list shows and that can change."""


class Scope(msgspec.Struct, frozen=True):
    """The conversations that a harvest selects.

    Attributes:
        window: The range in which they started.
        agent_id: Their agent; empty stands for all agents.
    """

    window: Window
    agent_id: str = ""

    def to_condition(self, latest: int) -> Condition:
        """Return the condition on ``conversations``: see `build_condition`."""
        start = None if self.window.start == BEGINNING else self.window.start
        return build_condition(self.agent_id or None, start, self.window.end, latest=latest)


class ArchiveLookups:
    """Reads an archive that is open for writing. Its methods block; threads take turns.

    Args:
        path: The file.
        connection: The connection to it.
        clock: Returns the current time in Unix seconds.

    Attributes:
        path: The file, or the URL of the database.
        file: The file; None for a database.
    """

    def __init__(self, path: Location, connection: Connection, clock: Callable[[], float]) -> None:
        self.path = path
        self.file = path if isinstance(path, Path) else None
        self._connection = connection
        self._clock = clock
        self._lock = Lock()

    def get_windows(self, agent_id: str) -> list[Window]:
        """Return the ranges of an agent's list that were read, oldest first; empty stands for all agents."""
        with self._lock, translate_content_errors(self.path):
            return read_windows(self._connection, {agent_id, ""})

    def count_conversations(self) -> int:
        """Return how many conversations there are that the service is not known to have deleted."""
        with self._lock, translate_content_errors(self.path):
            return int(
                fetch_value(self._connection, "SELECT count(*) FROM conversations WHERE deleted_unix_secs IS NULL")
            )

    def get_newest_start(self) -> int | None:
        """Return when the newest conversation with a credible start began, in Unix seconds, or None."""
        with self._lock, translate_content_errors(self.path):
            newest = fetch_value(
                self._connection,
                f"SELECT max(start_time_unix_secs) FROM conversations WHERE {CREDIBLE_START}",  # noqa: S608
                self._latest,
            )
            return msgspec.convert(newest, int | None)

    def find_newest(self, count: int) -> list[str]:
        """Return the ids of the newest conversations that the service is not known to have deleted."""
        with self._lock, translate_content_errors(self.path):
            rows = self._connection.execute(
                "SELECT conversation_id FROM conversations WHERE deleted_unix_secs IS NULL"  # noqa: S608
                f" ORDER BY {CREDIBLE_START} IS TRUE DESC, start_time_unix_secs DESC LIMIT ?",
                (self._latest, count),
            )
            return msgspec.convert([each for (each,) in rows], list[str])

    def find_unchanged(self, summaries: Sequence[ConversationSummary]) -> set[str]:
        """Return the ids of the conversations that are stored, complete, and have the same entry in the list.

        Conversations that are stored without their entry in the list are compared by their columns.
        """
        by_id = {summary.conversation_id: summary for summary in summaries}
        rows = self._select_by_id(
            f"SELECT conversation_id, summary_json FROM conversations WHERE {IS_COMPLETE}"  # noqa: S608
            f" AND deleted_unix_secs IS NULL AND {BY_ID}",
            by_id,
        )
        # A file from a stranger can hold any value here.
        same = {
            each for each, line in rows if isinstance(line, bytes) and is_same_entry(line, encode_summary(by_id[each]))
        }
        without_entry = [each for each, line in rows if line is None]
        if not without_entry:
            return same
        columns = self._select_by_id(
            f"SELECT conversation_id, {', '.join(_SHOWN)},"  # noqa: S608 - constants
            " (SELECT count(*) FROM turns WHERE turns.conversation_id = conversations.conversation_id)"
            f" FROM conversations WHERE {BY_ID}",
            without_entry,
        )
        return same | {each for each, *shown, turns in columns if _is_covered(by_id[each], shown, turns)}

    def find_deleted(self, ids: Collection[str], *, at_service: bool = False) -> set[str]:
        """Return the ids of conversations that were deleted from the archive: see `ArchiveWriter.store`."""
        with self._lock, translate_content_errors(self.path):
            return find_deleted(self._connection, ids, at_service=at_service)

    def find_unfinished(self, scope: Scope) -> list[ConversationSummary]:
        """Return the conversations to fetch again: those that were not complete, and those that failed."""
        condition, parameters = scope.to_condition(self._latest)
        with self._lock, translate_content_errors(self.path):
            rows = self._connection.execute(
                f"SELECT conversation_id, summary_json FROM conversations WHERE deleted_unix_secs IS NULL"  # noqa: S608
                f" AND NOT {IS_COMPLETE} AND {condition}"
                " UNION SELECT conversation_id, summary_json FROM failures WHERE part = 'conversation'",
                parameters,
            ).fetchall()
            summaries = [_decode_summary(conversation_id, line) for conversation_id, line in dict(rows).items()]
        return [summary for summary in summaries if self._may_lie_in(summary, scope)]

    def find_missing_audio(self, scope: Scope, *, ask_again_since: int) -> list[str]:
        """Return the ids of conversations whose recording is not saved, newest first.

        Objects in an object store are not looked for: their rows are relied on.

        Args:
            scope: The conversations to look at.
            ask_again_since: In Unix seconds: where the service had no recording, include conversations that started
                since then, as a recording can come later than the transcript.
        """
        condition, parameters = scope.to_condition(self._latest)
        with self._lock, translate_content_errors(self.path):
            rows = self._connection.execute(
                "SELECT conversation_id, path FROM conversations LEFT JOIN audio USING (conversation_id)"  # noqa: S608
                " WHERE has_audio AND deleted_unix_secs IS NULL"
                f" AND (no_audio_unix_secs IS NULL OR start_time_unix_secs >= ?) AND {condition}"
                " ORDER BY start_time_unix_secs DESC",
                [ask_again_since, *parameters],
            )
            return msgspec.convert(
                [each for each, path in rows if path is None or not self._is_saved(each, path)], list[str]
            )

    def find_absent(self, scope: Scope, ids: Collection[str]) -> list[str]:
        """Return the ids of stored conversations that started in this scope, except for these."""
        condition, parameters = scope.to_condition(self._latest)
        with self._lock, translate_content_errors(self.path):
            rows = self._connection.execute(
                f"SELECT conversation_id FROM conversations WHERE {CREDIBLE_START}"  # noqa: S608
                f" AND deleted_unix_secs IS NULL AND {condition}",
                [self._latest, *parameters],
            )
            return msgspec.convert([each for (each,) in rows if each not in ids], list[str])

    def _may_lie_in(self, summary: ConversationSummary, scope: Scope) -> bool:
        in_time = may_be_in(scope.window, summary.start_time_unix_secs, self._latest)
        return in_time and (not scope.agent_id or summary.agent_id in {None, scope.agent_id})

    @property
    def _latest(self) -> int:
        return compute_latest_start(self._clock())

    def _is_saved(self, conversation_id: str, path: str) -> bool:
        return _recordings.find(self.file, conversation_id, path) is not None

    def _select_by_id(self, query: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
        with self._lock, translate_errors(self.path):
            return self._connection.execute(query, (encode_list(ids),)).fetchall()


def _is_covered(summary: ConversationSummary, shown: Sequence[Any], turns: int) -> bool:
    """Return whether everything that an entry of the list says is in the columns."""
    says = [getattr(summary, name) for name in _SHOWN]
    as_shown = all(said is None or said == here for said, here in zip(says, shown, strict=True))
    return as_shown and (summary.message_count or 0) <= turns


def _decode_summary(conversation_id: str, line: object) -> ConversationSummary:
    if isinstance(line, bytes):
        with suppress(DecodeError):  # without its entry, the conversation can still be fetched
            return ConversationSummary.from_json(line)
    return to_struct(ConversationSummary, (conversation_id,))
