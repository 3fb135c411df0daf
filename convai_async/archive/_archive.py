"""An archive: a store of conversations in one SQLite file, or in a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, overload

from convai_async._support.validate import validate_choice, validate_encodable, validate_integer
from convai_async.archive._conditions import parse_filters, validate_sql_text
from convai_async.archive._formats._dataframe import read_dataframe
from convai_async.archive._formats._export import EXPORTED_COLUMNS, ExportTarget, export, export_stream
from convai_async.archive._formats._import import import_file
from convai_async.archive._location import PostgresUrl, parse_location
from convai_async.archive._queries._search import count_hits, search
from convai_async.archive._records import build_update
from convai_async.archive._schema._tables import NESTED_TABLES, ROW_TABLES
from convai_async.archive._search_terms import parse_terms
from convai_async.archive._session import ArchiveSession
from convai_async.archive._sqlite._database import build_missing_error, upgrade_file, validate_path
from convai_async.archive._status import read_failures, read_status
from convai_async.errors import InvalidArgumentError
from convai_async.models import Conversation, ConversationSummary

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from datetime import date
    from types import TracebackType

    import pandas as pd
    import polars as pl

    from convai_async.archive._conditions import Filters
    from convai_async.archive._connection import Connection
    from convai_async.archive._formats._export import Table
    from convai_async.archive._formats._files import Sink
    from convai_async.archive._location import ArchivePath
    from convai_async.archive._queries._search import SearchHit
    from convai_async.archive._reader import ArchivedConversation, ArchiveReader
    from convai_async.archive._records import Failure
    from convai_async.archive._status import ArchiveStatus


class Archive:
    """A store of conversations in one SQLite file, or in a workspace of a PostgreSQL database.

    Open it with `Archive.open`, and close it with ``with`` or `close`::

        with Archive.open("calls.db") as archive:
            for conversation in archive.conversations(agent_id="agent_1"):
                print(conversation.conversation_id, len(conversation.transcript))

    The methods block: call them in a thread from asyncio code. Other processes can read and write the archive at the
    same time. `add`, `delete` and `import_` open it for writing, write in transactions, and close it again.

    Several methods take the same filters: ``agent_id`` selects the conversations with an agent, ``since`` those that
    started at a time or later, and ``until`` those that started before a time. A time is a datetime with a time zone, a
    date (midnight in UTC), or Unix seconds. A conversation without a valid start time (none, before 1970, or in the
    future) is in every range.

    All methods raise `ArchiveError` if the archive is damaged or cannot be read or written, and `ArchiveBusyError` if
    other processes have locked it for 30 seconds. Invalid arguments raise `InvalidArgumentError`.

    Attributes:
        path: The file, or the URL of the database.
    """

    def __init__(self, path: Path | PostgresUrl, *, create: bool, source: str | None) -> None:
        self.path = path
        self._session = ArchiveSession(path, create=create, source=source)

    def __repr__(self) -> str:
        return f"<Archive {str(self.path)!r}>"

    @classmethod
    def open(cls, path: ArchivePath | PostgresUrl, *, create: bool = False, source: str | None = None) -> Self:
        """Open an archive.

        Args:
            path: The file, or a URL such as ``postgresql://user@host/database?workspace=acme``.
            create: Whether the first write creates the archive if it does not exist; False by default. The folder of a
                file, or the database, must exist.
            source: The address of the service that the conversations come from: the client's ``base_url``. Required to
                `add` to a new archive. If it is given, the first write upgrades an archive of an older version, and
                fails if the archive belongs to another service.

        Raises:
            ArchiveError: The archive does not exist, is not a convai archive, or has another version.
        """
        location = parse_location(path)
        if isinstance(location, Path):
            location = validate_path(location)
        archive = cls(location, create=create, source=source)
        if create or source is not None:
            if not create and isinstance(archive.path, Path) and not archive.path.exists():
                raise build_missing_error(archive.path)
        else:
            archive._session.open()
        return archive

    @classmethod
    def upgrade(cls, path: ArchivePath | PostgresUrl, *, progress: Callable[[int, int], None] | None = None) -> bool:
        """Bring an archive that an older version wrote up to date, and return whether that was necessary.

        The first write does the same. An interrupted upgrade continues where it stopped.

        Args:
            path: The file, or the URL of a database; if it does not exist, nothing happens.
            progress: Called with the number of conversations so far, and the number of all.

        Raises:
            ArchiveBusyError: Another process has the lock.
            ArchiveError: It is not a convai archive, is of a newer version, or cannot be written.
        """
        location = parse_location(path)
        if isinstance(location, Path):
            return upgrade_file(location, progress)
        from convai_async.archive import _postgres  # noqa: PLC0415 - only with the extra

        return _postgres.upgrade(location)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive. Closing it again does nothing."""
        self._session.close()

    @property
    def source(self) -> str:
        """The address of the service that the conversations come from."""
        return self._reader.source()

    def status(self) -> ArchiveStatus:
        """Return the numbers of conversations, recordings and failures, and the last harvest."""
        return read_status(self._reader)

    def failures(self) -> list[Failure]:
        """Return everything that could not be fetched."""
        return read_failures(self._reader)

    def get(self, conversation_id: str) -> Conversation:
        """Return a conversation.

        Raises:
            ArchiveError: The archive does not have it.
            DecodeError: Its JSON cannot be decoded; `get_raw` returns it.
        """
        return Conversation.from_json(self.get_raw(conversation_id))

    def get_raw(self, conversation_id: str) -> bytes:
        """Return a conversation's JSON, byte for byte as the service sent it.

        Raises:
            ArchiveError: The archive does not have it.
        """
        validate_sql_text("conversation_id", conversation_id)
        return self._reader.raw(conversation_id)

    def conversations(
        self, *, agent_id: str | None = None, since: date | int | None = None, until: date | int | None = None
    ) -> Iterator[Conversation]:
        """Yield conversations, oldest first. Memory use does not depend on their number.

        Conversations that cannot be decoded are left out: `status` counts them.

        Args:
            agent_id: Only conversations with this agent.
            since: Only conversations that started at this time or later.
            until: Only conversations that started before this time.
        """
        return self._reader.conversations(parse_filters(agent_id, since, until))

    def records(
        self, *, agent_id: str | None = None, since: date | int | None = None, until: date | int | None = None
    ) -> Iterator[ArchivedConversation]:
        """Yield conversations with their metadata, oldest first; the arguments are those of `conversations`."""
        return self._reader.records(parse_filters(agent_id, since, until))

    def rows(
        self,
        table: Literal["conversations", "turns", "tool_calls"],
        *,
        agent_id: str | None = None,
        since: date | int | None = None,
        until: date | int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of ``conversations`` (without JSON), ``turns`` or ``tool_calls``, oldest first.

        The other arguments are those of `conversations`.
        """
        validate_choice("table", table, ROW_TABLES)
        return self._reader.rows(table, parse_filters(agent_id, since, until))

    def get_rows(self, table: Literal["turns", "tool_calls"], conversation_id: str) -> list[dict[str, Any]]:
        """Return a conversation's rows of ``turns`` or ``tool_calls``, without its id, in their order."""
        validate_choice("table", table, [each.name for each in NESTED_TABLES])
        return self._reader.get_rows(table, [conversation_id]).get(conversation_id, [])

    def search(
        self,
        text: str,
        *,
        agent_id: str | None = None,
        since: date | int | None = None,
        until: date | int | None = None,
        limit: int | None = None,
    ) -> Iterator[SearchHit]:
        """Yield the turns that contain all words of a text, newest conversations first.

        Args:
            text: The words, in any order; case and accents are ignored. ``"in quotes"`` finds a phrase, and ``refund*``
                words that begin with these letters.
            agent_id: Only conversations with this agent.
            since: Only conversations that started at this time or later.
            until: Only conversations that started before this time.
            limit: The maximum number of turns; None (default) means all.

        Raises:
            InvalidArgumentError: The text contains no word.
        """
        terms = parse_terms(text)
        if limit is not None:
            validate_integer("limit", limit, 0)
        return search(self._reader, terms, parse_filters(agent_id, since, until), limit)

    def count_hits(
        self,
        text: str,
        *,
        agent_id: str | None = None,
        since: date | int | None = None,
        until: date | int | None = None,
    ) -> int:
        """Return how many turns `search` finds; the arguments are the same."""
        return count_hits(self._reader, parse_terms(text), parse_filters(agent_id, since, until))

    def export(  # noqa: PLR0913 - keyword-only
        self,
        destination: str | os.PathLike[str],
        *,
        table: Table | None = None,
        partition: bool = False,
        all_tables: bool = False,
        format: Literal["parquet", "csv"] | None = None,  # noqa: A002 - as in other libraries
        overwrite: bool = False,
        agent_id: str | None = None,
        since: date | int | None = None,
        until: date | int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Write conversations to a file, in the format of its extension, and return the number of rows.

        - ``.jsonl``, also ``.jsonl.gz`` and ``.jsonl.zst``: one line per conversation, with the service's JSON byte for
          byte; `import_` reads it.
        - ``.csv``, also ``.csv.gz`` and ``.csv.zst``: the rows of one table, without JSON. Text that a spreadsheet
          would run as a formula is prefixed with an apostrophe.
        - ``.parquet`` (needs the extra ``parquet``): one row per conversation, without JSON, with its turns and tool
          calls nested. A timestamp outside the years that Parquet supports is null.

        The file appears only when it is complete, and only its owner can read it.

        Args:
            destination: The path of the file; with ``partition``, that of the folder, which can have any name.
            table: For CSV, the table to write, one of those of ``all_tables``; ``"conversations"`` by default.
            partition: For Parquet, whether to write a folder with a subfolder such as ``date=2026-01-31`` for each day
                (UTC); False by default.
            all_tables: Whether to write a folder with a file for each table, such as ``turns.parquet``; False by
                default.
            format: For ``all_tables``: ``"parquet"`` (default) or ``"csv"``.
            overwrite: Whether to replace an existing file; False by default. A folder is never replaced.
            agent_id: Only conversations with this agent.
            since: Only conversations that started at this time or later.
            until: Only conversations that started before this time.
            progress: A function that is called with the number of rows so far.

        Raises:
            InvalidArgumentError: The extension is unknown, the destination exists, or an option does not apply to the
                format.
            ConfigurationError: The format needs an extra that is not installed.
            OSError: The file cannot be written.
        """
        target = ExportTarget(
            Path(destination), table, format, partition=partition, all_tables=all_tables, overwrite=overwrite
        )
        return export(self._reader, target, parse_filters(agent_id, since, until), progress)

    def export_to_stream(  # noqa: PLR0913 - keyword-only
        self,
        stream: Sink,
        *,
        format: Literal["jsonl", "csv"] = "jsonl",  # noqa: A002 - as in other libraries
        table: Table | None = None,
        agent_id: str | None = None,
        since: date | int | None = None,
        until: date | int | None = None,
    ) -> int:
        """Write conversations to a stream, such as ``sys.stdout.buffer``, and return the number of rows.

        Args:
            stream: The stream to write to; it is not closed.
            format: ``"jsonl"`` (default) or ``"csv"``, as `export` writes them.
            table: For CSV, the table to write, one of those of ``all_tables``; ``"conversations"`` by default.
            agent_id: Only conversations with this agent.
            since: Only conversations that started at this time or later.
            until: Only conversations that started before this time.

        Raises:
            InvalidArgumentError: ``table`` does not apply to the format.
            OSError: The stream cannot be written.
        """
        validate_choice("format", format, ("jsonl", "csv"))
        validate_choice("table", table or "conversations", EXPORTED_COLUMNS)
        if table is not None and format != "csv":
            raise InvalidArgumentError("table", "is only for CSV: JSONL contains all tables")
        condition = parse_filters(agent_id, since, until)
        return export_stream(self._reader, stream, condition, format=format, table=table)

    @overload
    def dataframe(
        self, table: str, *, library: Literal["pandas"] = "pandas", **filters: Unpack[Filters]
    ) -> pd.DataFrame: ...
    @overload
    def dataframe(self, table: str, *, library: Literal["polars"], **filters: Unpack[Filters]) -> pl.DataFrame: ...
    @overload
    def dataframe(self, table: str, *, library: Literal["pyarrow"], **filters: Unpack[Filters]) -> Any: ...
    def dataframe(
        self, table: str, *, library: Literal["pandas", "polars", "pyarrow"] = "pandas", **filters: Unpack[Filters]
    ) -> Any:
        """Return a table or view as a data frame, such as ``archive.dataframe("calls")``; needs the extra ``parquet``.

        Times are timestamps in UTC, named as in exported files, and binary columns are left out. In pandas, integers
        and booleans have the nullable types ``Int64`` and ``boolean``.

        Args:
            table: The name: ``"calls"``, ``"turns"``, ``"daily"``; the page *The archive* describes all.
            library: The library of the data frame: ``"pandas"`` (default), ``"polars"`` or ``"pyarrow"``.
            **filters: ``agent_id``, ``since`` and ``until``, as in `conversations`. A view computes its numbers from
                these conversations.

        Raises:
            InvalidArgumentError: There is no such table, or a filter is not valid.
            ConfigurationError: The extra or the library is not installed.
        """
        return read_dataframe(self._reader, table, parse_filters(**filters), library)

    def add(self, conversation: Conversation, *, event_timestamp: int | None = None) -> bool:
        """Store a conversation, such as the ``data`` of a webhook's event, and return whether it was stored.

        Events can arrive twice, late, or without the transcript (``exclude_transcript``). So a stored conversation is
        replaced only if the new one is at least as complete: it has a final status if the stored one has, at least as
        many turns, and an analysis if the stored one has. Such a new conversation replaces

        - a final conversation that a harvest fetched, only if ``event_timestamp`` is later than the fetch
        - any other conversation, if it is more complete (a final status, more turns, an analysis), if its event is
          later, or if ``event_timestamp`` is None

        Otherwise nothing changes. A conversation that was deleted from the archive is not stored again: see `delete`.

        A conversation that a harvest fetches replaces any stored one, with one exception: if it is not final, it does
        not replace an added one that is final and at least as complete.

        The next harvest fetches added conversations that are not complete (without a final status or a transcript), and
        those that differ from their entry in the list in the status, result, title, summary or rating, or have fewer
        messages. It does not fetch the others: their ``raw`` is the model's JSON, and ``from_webhook`` is 1.

        Args:
            conversation: The conversation.
            event_timestamp: The event's ``event_timestamp`` in Unix seconds; None (default) if it is unknown.

        Raises:
            ArchiveBusyError: Other processes have been writing for 30 seconds; try again later.
            ArchiveError: The archive belongs to another service.
            InvalidArgumentError: The id has a NUL, at which SQLite's functions would end it.
        """
        if not isinstance(conversation, Conversation):
            raise InvalidArgumentError("conversation", f"must be a Conversation, not {type(conversation).__name__}")
        validate_sql_text("conversation_id", conversation.conversation_id)
        summary = ConversationSummary(conversation_id=conversation.conversation_id)
        update = build_update(summary, conversation.to_json(), conversation, event_timestamp, from_webhook=True)
        with self._session.write(exclusive=False) as writer:
            return writer.store_if_better(update)

    def delete(self, conversation_ids: Iterable[str]) -> int:
        """Delete conversations with all their data, and return how many were deleted.

        Their rows, recordings and failures are removed, and their bytes are overwritten, also in free pages, in the
        search index and in SQLite's write-ahead log.

        The archive remembers the hashes of the ids. Nothing stores these conversations again: not a webhook that
        arrives late or twice (`add`), not `import_` or `copy_archive` of older data, and not a harvest, even if the
        service still has them.

        Args:
            conversation_ids: The ids. Those that are not in the archive are only remembered.

        Raises:
            ArchiveBusyError: Either another process is writing, and nothing was deleted. Or the rows were deleted, but
                another program that reads the archive keeps their bytes in the write-ahead log: delete them again
                later.
        """
        if isinstance(conversation_ids, str):
            raise InvalidArgumentError("conversation_ids", "must be a list of ids, not one string")
        ids = list(conversation_ids)
        for conversation_id in ids:
            validate_encodable("conversation_ids", conversation_id)
        with self._session.write(exclusive=True) as writer:
            return writer.remove(ids)

    def import_(self, file: str | os.PathLike[str], *, progress: Callable[[int], None] | None = None) -> int:
        """Store the conversations of an exported JSONL file, and return how many were stored.

        They replace conversations with the same ids. Conversations that were deleted from the archive are not stored
        again; the logger ``convai_async`` warns about them with their number. The file does not contain recordings: a
        later harvest with ``audio=True`` fetches them. The file does not name its workspace, so make sure that it
        belongs to the same one as the archive.

        Args:
            file: A file that `export` wrote: ``.jsonl``, ``.jsonl.gz`` or ``.jsonl.zst``.
            progress: A function that is called with the number of conversations so far.

        Raises:
            ArchiveError: A line was not written by `export`, or belongs to another service. The conversations before it
                are stored.
            ConfigurationError: The file needs an extra that is not installed.
            OSError: The file cannot be read.
        """
        path = Path(file)
        return import_file(path, lambda source: self._session.write_import(path, source), progress)

    def lock(self, *, hash_api_key: Callable[[bytes], bytes] | None = None) -> AbstractContextManager[None]:
        """Lock the archive: until the block ends, other processes cannot harvest into it, import or delete.

        ``with archive.lock(): ...`` also checks that the archive can be written. Writes of this `Archive` in the block
        use the lock. Other processes can still `add`.

        Args:
            hash_api_key: `ConvAIClient.hash_api_key`, to reject an archive that is bound to another API key. Without
                it, the key is not checked.

        Raises:
            ArchiveBusyError: Another process has the lock.
            ArchiveError: The archive is bound to another API key.
        """
        return self._session.lock(hash_api_key)

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Return a context manager with a read-only connection for SQL.

        All queries in its block see the same state of the archive. Other processes can write meanwhile. Keep the block
        short, because SQLite's log grows until it ends::

            with archive.snapshot() as connection:
                rows = connection.execute("SELECT day, calls FROM daily").fetchall()
        """
        return self._reader.snapshot()

    @property
    def _reader(self) -> ArchiveReader:
        return self._session.reader

    @property
    def _connection(self) -> Connection:
        return self._reader.connection
