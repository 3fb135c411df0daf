"""The archive: one SQLite file that holds every harvested conversation. This is its reading side."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import msgspec

from convai_async._support.timestamps import latest_start
from convai_async.archive._columns import EXPORTED
from convai_async.archive._conditions import build_condition
from convai_async.archive._database import ArchiveError, contents_of, open_for_reading, typed, value
from convai_async.archive._precedence import IS_COMPLETE
from convai_async.archive._records import Failure
from convai_async.archive._windows import Window, merged, start_bound
from convai_async.errors import InvalidArgumentError
from convai_async.models import Conversation

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path
    from types import TracebackType


class HarvestRun(msgspec.Struct, frozen=True):
    """A run of the harvest.

    Attributes:
        started_unix_secs: When it began.
        ended_unix_secs: When it ended; None while it runs, and when it was killed.
        report: Its counts, by their names, or None.
        error: The error that ended it, or None.
    """

    started_unix_secs: int
    ended_unix_secs: int | None
    report: dict[str, bool | int | float | None] | None
    error: str | None


class ArchiveStatus(msgspec.Struct, frozen=True):
    """What an archive holds.

    Attributes:
        source: The address of the service that it is of.
        conversations: How many conversations.
        final: How many of them are complete, and so need no second look: done or failed, and with their transcript.
        deleted: How many of them the service has deleted.
        undecodable: How many of them are kept as raw JSON only.
        turns: How many turns.
        recordings: How many recordings.
        failures: How many conversations and recordings could not be fetched.
        oldest_unix_secs: When the oldest conversation started, or None.
        newest_unix_secs: When the newest conversation started, or None.
        windows: The stretches of the list of all agents that have been read, from old to new.
        last_run: The last run of the harvest, or None.
        size: The file's bytes.
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


class SearchHit(msgspec.Struct, frozen=True):
    """A turn in which something was found.

    Attributes:
        conversation_id: In which conversation.
        agent_id: With which agent.
        start_time_unix_secs: When the conversation started.
        position: Which turn of it, from 0.
        time_in_call_secs: Seconds into the call.
        role: Who said it.
        message: What was said.
    """

    conversation_id: str
    agent_id: str | None
    start_time_unix_secs: int | None
    position: int
    time_in_call_secs: int | None
    role: str | None
    message: str


class ArchivedConversation(msgspec.Struct, frozen=True):
    """A conversation as the archive keeps it.

    Attributes:
        conversation_id: Which one.
        raw: The service's JSON, byte for byte.
        summary_json: Its entry in the list, JSON, or None.
        fetched_unix_secs: When it was fetched.
        deleted_unix_secs: When it was found that the service has deleted it, or None.
        no_audio_unix_secs: When the service was found to have no recording, or None.
        from_webhook: Whether a webhook brought it; then ``raw`` is the model's JSON.
        audio: Its recording's path (from the archive's folder), size, SHA-256 and media type, or None.
    """

    conversation_id: str
    raw: bytes
    summary_json: bytes | None
    fetched_unix_secs: int
    deleted_unix_secs: int | None
    no_audio_unix_secs: int | None
    from_webhook: bool
    audio: tuple[str, int, str, str] | None


class Archive:
    """An archive that is open for reading; a harvest can write to it at the same time.

    Open it with `Archive.open`, and close it with ``with`` or `close`. Its methods block. All of them raise
    `ArchiveError` when the file is damaged or cannot be read, and `ArchiveBusyError` when other processes have locked
    it for 30 s.

    ::

        with Archive.open("calls.db") as archive:
            for conversation in archive.conversations(agent_id="agent_1"):
                print(conversation.conversation_id, len(conversation.transcript))

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open an archive for reading.

        Raises:
            ArchiveError: There is no such file, it is something else, or of another version.
        """
        return cls(*open_for_reading(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        self._connection.close()

    def status(self) -> ArchiveStatus:
        """Return what the archive holds."""
        with contents_of(self.path):
            conversations, final, deleted, undecodable, oldest, newest = self._connection.execute(
                f"SELECT count(*), count(*) FILTER (WHERE {IS_COMPLETE}), count(deleted_unix_secs),"  # noqa: S608
                " count(decode_error), min(start_time_unix_secs), max(start_time_unix_secs) FROM conversations"
            ).fetchone()
            return ArchiveStatus(
                source=self.source,
                conversations=conversations,
                final=final,
                deleted=deleted,
                undecodable=undecodable,
                turns=self._count("turns"),
                recordings=self._count("audio"),
                failures=self._count("failures"),
                oldest_unix_secs=msgspec.convert(oldest, int | None),
                newest_unix_secs=msgspec.convert(newest, int | None),
                windows=self._windows(),
                last_run=self._last_run(),
                size=self.path.stat().st_size,
            )

    @property
    def source(self) -> str:
        """The address of the service that the archive is of."""
        with contents_of(self.path):
            return msgspec.convert(value(self._connection, "SELECT source FROM archive"), str)

    def failures(self) -> list[Failure]:
        """Return what could not be fetched."""
        with contents_of(self.path):
            rows = self._connection.execute(
                "SELECT conversation_id, error, attempts, part FROM failures ORDER BY conversation_id, part"
            )
            return [typed(Failure, row) for row in rows]

    def get(self, conversation_id: str) -> Conversation:
        """Return a conversation.

        Raises:
            ArchiveError: The archive does not have it.
            InvalidArgumentError: The id is not valid text.
            DecodeError: Its JSON does not decode; `get_raw` returns it.
        """
        return Conversation.from_json(self.get_raw(conversation_id))

    def get_raw(self, conversation_id: str) -> bytes:
        """Return a conversation's JSON, byte for byte as the service sent it.

        Raises:
            ArchiveError: The archive does not have it.
            InvalidArgumentError: The id is not valid text.
        """
        _check_text("conversation_id", conversation_id)
        with contents_of(self.path):
            row = self._connection.execute(
                "SELECT raw FROM conversations WHERE conversation_id = ?", (conversation_id,)
            ).fetchone()
            if row is None:
                raise ArchiveError(f"{str(self.path)!r} has no conversation {conversation_id!r}")
            return _document(row[0])

    def conversations(
        self, *, agent_id: str | None = None, since: date | int | None = None, until: date | int | None = None
    ) -> Iterator[Conversation]:
        """Yield conversations from old to new; memory does not grow with their number.

        Conversations that do not decode are left out: `status` counts them.

        Args:
            agent_id: Only conversations with this agent.
            since: Only those that started then or later: a datetime with a time zone, a date (UTC), or unix seconds.
            until: Only those that started before: the same forms.
        """
        condition, parameters = _filter(agent_id, since, until)
        with contents_of(self.path):
            for (raw,) in self._connection.execute(
                f"SELECT raw FROM conversations WHERE decode_error IS NULL AND {condition}"  # noqa: S608
                " ORDER BY start_time_unix_secs, conversation_id",
                parameters,
            ):
                yield Conversation.from_json(_document(raw))

    def records(
        self, *, agent_id: str | None = None, since: date | int | None = None, until: date | int | None = None
    ) -> Iterator[ArchivedConversation]:
        """Yield each conversation with its metadata, from old to new; the arguments are those of `conversations`."""
        condition, parameters = _filter(agent_id, since, until)
        with contents_of(self.path):
            for row in self._connection.execute(
                "SELECT conversation_id, raw, summary_json, fetched_unix_secs, deleted_unix_secs, no_audio_unix_secs,"  # noqa: S608
                " from_webhook, path, size, sha256, content_type"
                " FROM conversations LEFT JOIN audio USING (conversation_id)"
                f" WHERE {condition} ORDER BY start_time_unix_secs, conversation_id",
                parameters,
            ):
                *fields, from_webhook, path, size, sha256, content_type = row
                audio = None if path is None else (path, size, sha256, content_type)
                yield typed(ArchivedConversation, (*fields, bool(from_webhook), audio))

    def rows(
        self,
        table: str,
        *,
        agent_id: str | None = None,
        since: date | int | None = None,
        until: date | int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of ``conversations`` (less its JSON), ``turns`` or ``tool_calls``, from old to new.

        The other arguments are those of `conversations`.
        """
        condition, parameters = _filter(agent_id, since, until)
        source, order = table, "start_time_unix_secs, conversation_id"
        if table != "conversations":
            source, order = f"{table} JOIN conversations USING (conversation_id)", f"{order}, {table}.position"
        with contents_of(self.path):
            columns = [column.name for column in EXPORTED[table].exported]
            names = ", ".join(f"{table}.{name}" for name in columns)
            for row in self._connection.execute(
                f"SELECT {names} FROM {source} WHERE {condition} ORDER BY {order}",  # noqa: S608
                parameters,
            ):
                yield dict(zip(columns, row, strict=True))

    def nested(self, table: str, conversation_id: str) -> list[dict[str, Any]]:
        """Return a conversation's rows of ``turns`` or ``tool_calls``, less its id, in their order."""
        with contents_of(self.path):
            columns = [column.name for column in EXPORTED[table].exported if column.name != "conversation_id"]
            rows = self._connection.execute(
                f"SELECT {', '.join(columns)} FROM {table} WHERE conversation_id = ? ORDER BY position",  # noqa: S608
                (conversation_id,),
            )
            return [dict(zip(columns, row, strict=True)) for row in rows]

    def search(
        self,
        text: str,
        *,
        agent_id: str | None = None,
        since: date | int | None = None,
        until: date | int | None = None,
        limit: int | None = None,
    ) -> Iterator[SearchHit]:
        """Find what was said, newest conversations first.

        Args:
            text: Words that must all be in one turn, in any order, ignoring case and accents. ``"in quotes"`` finds
                words next to each other, ``refund*`` words that begin with these letters.
            agent_id: Only conversations with this agent.
            since: Only those that started then or later: a datetime with a time zone, a date (UTC), or unix seconds.
            until: Only those that started before: the same forms.
            limit: The most hits; None (default) means all.

        Raises:
            InvalidArgumentError: There is no word to search for, or an argument is invalid.
        """
        expression = _match_expression(text)
        _check_integer("limit", limit, least=0)
        condition, parameters = _filter(agent_id, since, until)
        with contents_of(self.path):
            for row in self._connection.execute(
                "SELECT conversation_id, agent_id, start_time_unix_secs, position, time_in_call_secs, role,"  # noqa: S608
                " turns.message FROM turns_search JOIN turns ON turn_id = turns_search.rowid"
                " JOIN conversations USING (conversation_id)"
                f" WHERE turns_search MATCH ? AND {condition}"
                " ORDER BY start_time_unix_secs DESC, conversation_id, position LIMIT ?",
                [expression, *parameters, -1 if limit is None else limit],
            ):
                yield typed(SearchHit, row)

    def count_hits(
        self,
        text: str,
        *,
        agent_id: str | None = None,
        since: date | int | None = None,
        until: date | int | None = None,
    ) -> int:
        """Return how many turns `search` finds; the arguments are the same."""
        condition, parameters = _filter(agent_id, since, until)
        filtered = " JOIN turns ON turn_id = turns_search.rowid JOIN conversations USING (conversation_id)"
        query = (
            f"SELECT count(*) FROM turns_search{filtered if parameters else ''}"  # noqa: S608
            f" WHERE turns_search MATCH ? AND {condition}"
        )
        with contents_of(self.path):
            return int(value(self._connection, query, _match_expression(text), *parameters))

    def _windows(self) -> list[Window]:
        rows = self._connection.execute("SELECT start_unix_secs, end_unix_secs FROM windows WHERE agent_id = ''")
        return merged(typed(Window, row) for row in rows)

    def _last_run(self) -> HarvestRun | None:
        row = self._connection.execute(
            "SELECT started_unix_secs, ended_unix_secs, report, error FROM runs ORDER BY run_id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        began, ended, report, error = row
        return typed(HarvestRun, (began, ended, None if report is None else msgspec.json.decode(report), error))

    def _count(self, table: str) -> int:
        return int(value(self._connection, f"SELECT count(*) FROM {table}"))  # noqa: S608 - names of our own


def _filter(agent_id: str | None, since: date | int | None, until: date | int | None) -> tuple[str, list[Any]]:
    if agent_id is not None:
        _check_text("agent_id", agent_id)
    start, end = start_bound("since", since), start_bound("until", until)
    return build_condition(agent_id, start, end, latest=latest_start(time.time()))


def _check_text(parameter: str, text: str) -> None:
    # What a terminal passes need not be Unicode; SQLite's text is, and to its search ends at the first NUL.
    if "\0" in text or (not text.isascii() and text.encode(errors="ignore").decode() != text):
        raise InvalidArgumentError(parameter, f"{text!r} has characters that are not valid in text")


def _check_integer(parameter: str, number: int | None, *, least: int = -(2**63)) -> None:
    if number is not None and not least <= number < 2**63:
        raise InvalidArgumentError(parameter, f"must be from {least} to {2**63 - 1}, got {number}")


def _document(raw: Any) -> bytes:
    if not isinstance(raw, bytes):
        raise TypeError(f"a document is {type(raw).__name__}, not bytes")
    return raw


def _match_expression(text: str) -> str:
    """Return FTS5's expression for what a person types: nothing that is typed can be a syntax error.

    Raises:
        InvalidArgumentError: There is no word in it.
    """
    _check_text("text", text)
    parts = text.split('"')
    if len(parts) % 2 == 0:
        parts[-2:] = [" ".join(parts[-2:])]  # a quote that nobody closed
    phrases = [part.strip() for part in parts[1::2]]
    words = [word for part in parts[::2] for word in part.split()]
    terms = [f'"{phrase}"' for phrase in phrases if _has_word(phrase)]
    terms += [f'"{word.rstrip("*")}"' + ("*" if word.endswith("*") else "") for word in words if _has_word(word)]
    if not terms:
        raise InvalidArgumentError("text", "holds no word to search for")
    return " AND ".join(terms)


def _has_word(text: str) -> bool:
    # FTS5 finds nothing at all when one of several terms is only punctuation.
    return any(map(str.isalnum, text))
