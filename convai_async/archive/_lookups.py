"""What a harvest has to know of what an archive holds."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async._support.timestamps import latest_start
from convai_async.archive import _recordings
from convai_async.archive._conditions import CREDIBLE_START, build_condition
from convai_async.archive._database import contents_of, errors_named, typed, value
from convai_async.archive._precedence import IS_COMPLETE
from convai_async.archive._records import is_same_line, summary_json
from convai_async.archive._windows import BEGINNING, Window, may_lie_in, merged
from convai_async.errors import DecodeError
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

_SHOWN = ("status", "call_successful", "call_summary_title", "transcript_summary", "rating")
"""What of a complete conversation the list shows and can change."""


class Scope(msgspec.Struct, frozen=True):
    """Which conversations a harvest is about.

    Attributes:
        window: When they started.
        agent_id: With which agent; empty stands for all agents.
    """

    window: Window
    agent_id: str = ""

    def condition(self, latest: int) -> tuple[str, list[Any]]:
        """Return the condition on ``conversations``, and its parameters: see `build_condition`."""
        start = None if self.window.start == BEGINNING else self.window.start
        return build_condition(self.agent_id or None, start, self.window.end, latest=latest)


class ArchiveQueries:
    """Reads an archive that is open for writing. Its methods block; threads take turns.

    Args:
        path: The file.
        connection: The connection to it.
        clock: Tells the time of day in unix seconds.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.path = path
        self._connection = connection
        self._clock = clock
        self._turn = Lock()

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
                f"SELECT max(start_time_unix_secs) FROM conversations WHERE {CREDIBLE_START}",  # noqa: S608
                self._latest,
            )
            return msgspec.convert(newest, int | None)

    def newest(self, count: int) -> list[str]:
        """Return the ids of the newest conversations that the service is not known to have deleted."""
        with self._turn, contents_of(self.path):
            rows = self._connection.execute(
                "SELECT conversation_id FROM conversations WHERE deleted_unix_secs IS NULL"  # noqa: S608
                f" ORDER BY {CREDIBLE_START} IS TRUE DESC, start_time_unix_secs DESC LIMIT ?",
                (self._latest, count),
            )
            return msgspec.convert([each for (each,) in rows], list[str])

    def unchanged(self, summaries: Sequence[ConversationSummary]) -> set[str]:
        """Return which of these are here and complete, and look in the list as they did when they were fetched.

        Those that came without a line of the list are compared with their columns.
        """
        by_id = {summary.conversation_id: summary for summary in summaries}
        rows = self._among(
            f"SELECT conversation_id, summary_json FROM conversations WHERE {IS_COMPLETE}"  # noqa: S608
            " AND deleted_unix_secs IS NULL AND conversation_id IN",
            by_id,
        )
        # A file from a stranger can have anything in the place of a line.
        same = {
            each for each, line in rows if isinstance(line, bytes) and is_same_line(line, summary_json(by_id[each]))
        }
        without_line = [each for each, line in rows if line is None]
        if not without_line:
            return same
        columns = self._among(
            f"SELECT conversation_id, {', '.join(_SHOWN)},"  # noqa: S608 - names of our own
            " (SELECT count(*) FROM turns WHERE turns.conversation_id = conversations.conversation_id)"
            " FROM conversations WHERE conversation_id IN",
            without_line,
        )
        return same | {each for each, *shown, turns in columns if _shows(by_id[each], shown, turns)}

    def unfinished(self, scope: Scope) -> list[ConversationSummary]:
        """Return what has to be fetched again: conversations that were not complete, and those that failed."""
        condition, parameters = scope.condition(self._latest)
        with self._turn, contents_of(self.path):
            rows = self._connection.execute(
                f"SELECT conversation_id, summary_json FROM conversations WHERE deleted_unix_secs IS NULL"  # noqa: S608
                f" AND NOT {IS_COMPLETE} AND {condition}"
                " UNION SELECT conversation_id, summary_json FROM failures WHERE part = 'conversation'",
                parameters,
            ).fetchall()
            summaries = [_summary(conversation_id, line) for conversation_id, line in dict(rows).items()]
        return [summary for summary in summaries if self._may_lie_in(summary, scope)]

    def without_audio(self, scope: Scope, *, ask_again_since: int) -> list[str]:
        """Return the ids of conversations that have a recording which is not here (any more), newest first.

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
                f"SELECT conversation_id FROM conversations WHERE {CREDIBLE_START}"  # noqa: S608
                f" AND deleted_unix_secs IS NULL AND {condition}",
                [self._latest, *parameters],
            )
            return msgspec.convert([each for (each,) in rows if each not in ids], list[str])

    def _may_lie_in(self, summary: ConversationSummary, scope: Scope) -> bool:
        in_time = may_lie_in(scope.window, summary.start_time_unix_secs, self._latest)
        return in_time and (not scope.agent_id or summary.agent_id in {None, scope.agent_id})

    @property
    def _latest(self) -> int:
        return latest_start(self._clock())

    def _is_there(self, path: str) -> bool:
        return _recordings.is_recording(path) and (self.path.parent / path).exists()

    def _windows(self, agent_ids: Collection[str]) -> list[Window]:
        rows = self._connection.execute("SELECT agent_id, start_unix_secs, end_unix_secs FROM windows")
        return merged(typed(Window, span) for agent_id, *span in rows if agent_id in agent_ids)

    def _among(self, query: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
        with self._turn, errors_named(self.path):
            encoded = msgspec.json.encode(list(ids)).decode()
            query += " (SELECT value FROM json_each(?))"
            return self._connection.execute(query, (encoded,)).fetchall()


def _shows(summary: ConversationSummary, shown: Sequence[Any], turns: int) -> bool:
    """Tell whether a line of the list says nothing that the columns do not."""
    says = [getattr(summary, name) for name in _SHOWN]
    as_shown = all(said is None or said == here for said, here in zip(says, shown, strict=True))
    return as_shown and (summary.message_count or 0) <= turns


def _summary(conversation_id: str, line: object) -> ConversationSummary:
    if isinstance(line, bytes):
        with suppress(DecodeError):  # a line that could not be read is no reason not to fetch it
            return ConversationSummary.from_json(line)
    return typed(ConversationSummary, (conversation_id,))
