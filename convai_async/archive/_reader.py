"""Read conversations, and the rows that were made from them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.archive._conditions import Condition
from convai_async.archive._connection import DOCUMENTS_PER_FETCH, ROWS_PER_FETCH
from convai_async.archive._errors import ArchiveError, translate_content_errors, translate_errors
from convai_async.archive._records import Recording
from convai_async.archive._schema._tables import ROW_TABLES
from convai_async.archive._search_terms import to_fts_query
from convai_async.archive._sql import BY_ID, check_document, encode_list, fetch_value, to_struct
from convai_async.models import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from convai_async.archive._connection import Connection
    from convai_async.archive._location import Location
    from convai_async.archive._search_terms import Term

OLDEST_FIRST = "start_time_unix_secs NULLS FIRST, conversation_id"


class ArchivedConversation(msgspec.Struct, frozen=True):
    """A conversation in an archive, with its metadata.

    Attributes:
        conversation_id: The conversation's id.
        raw: The service's JSON, byte for byte.
        summary_json: Its entry in the list as JSON, or None.
        fetched_unix_secs: The time at which it was fetched, in Unix seconds.
        deleted_unix_secs: The time at which it was found to be deleted at the service, in Unix seconds, or None.
        no_audio_unix_secs: The time at which the service was found to have no recording, in Unix seconds, or None.
        from_webhook: Whether it came from a webhook; then ``raw`` is the model's JSON.
        recording: Its saved recording, or None.
    """

    conversation_id: str
    raw: bytes
    summary_json: bytes | None
    fetched_unix_secs: int
    deleted_unix_secs: int | None
    no_audio_unix_secs: int | None
    from_webhook: bool
    recording: Recording | None


class ArchiveReader:
    """Reads an open archive. Rows that convai_async did not write raise `ArchiveError`.

    Args:
        path: The file, or the URL of the database.
        connection: The connection to it.

    Attributes:
        path: The file, or the URL of the database.
        connection: The connection to it.
        schema: The schema that has the tables.
        searched_table: The table of the condition of `build_match`.
        join_turns: The join of that table with ``turns``, if it is another.
    """

    schema = "main"
    searched_table = "turns_search"
    join_turns = " JOIN turns ON turn_id = turns_search.rowid"

    def __init__(self, path: Location, connection: Connection) -> None:
        self.path = path
        self.connection = connection

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Yield the connection in a transaction: see `Archive.snapshot`."""
        with translate_errors(self.path):
            self.connection.execute("BEGIN")
            try:
                yield self.connection
            finally:
                self.connection.rollback()

    @contextmanager
    def join_snapshot(self) -> Iterator[None]:
        """Begin a snapshot for the block, unless there is one already: its queries see the same moment."""
        if self.connection.in_transaction:
            yield
        else:
            with self.snapshot():
                yield

    def iterate(self, sql: str, parameters: Sequence[Any], *, rows_per_fetch: int = ROWS_PER_FETCH) -> Iterable[Any]:
        """Return an iterator over the rows of a query, which does not hold all of them in memory."""
        return self.connection.iterate(sql, parameters, rows_per_fetch=rows_per_fetch)

    def decode_document(self, stored: Any) -> bytes:
        """Return a document from the column ``raw``."""
        return check_document(stored)

    def measure_size(self) -> int:
        """Return the size of the archive in bytes."""
        return Path(str(self.path)).stat().st_size

    def source(self) -> str:
        """Return the address of the service."""
        with translate_content_errors(self.path):
            return msgspec.convert(fetch_value(self.connection, "SELECT source FROM archive"), str)

    def read_binding(self) -> tuple[bytes | None, bytes | None]:
        """Return the salt and the hash of the API key. Both are None if there are none, or if they may not be read."""
        salt, fingerprint = self.connection.execute("SELECT key_salt, key_fingerprint FROM archive").fetchone()
        return salt, fingerprint

    def raw(self, conversation_id: str) -> bytes:
        """Return a conversation's JSON.

        Raises:
            ArchiveError: The archive does not have it.
        """
        with translate_content_errors(self.path):
            row = self.connection.execute(
                "SELECT raw FROM conversations WHERE conversation_id = ?", (conversation_id,)
            ).fetchone()
            if row is None:
                raise ArchiveError(f"{str(self.path)!r} has no conversation {conversation_id!r}")
            return self.decode_document(row[0])

    def conversations(self, condition: Condition) -> Iterator[Conversation]:
        """Yield the conversations that decode, oldest first."""
        with translate_content_errors(self.path):
            for (raw,) in self.iterate(
                f"SELECT raw FROM conversations WHERE decode_error IS NULL AND {condition.sql}"  # noqa: S608
                f" ORDER BY {OLDEST_FIRST}",
                condition.parameters,
                rows_per_fetch=DOCUMENTS_PER_FETCH,
            ):
                yield Conversation.from_json(self.decode_document(raw))

    def records(self, condition: Condition) -> Iterator[ArchivedConversation]:
        """Yield conversations with their metadata, oldest first."""
        with translate_content_errors(self.path):
            for row in self.iterate(
                "SELECT conversation_id, raw, summary_json, fetched_unix_secs, deleted_unix_secs, no_audio_unix_secs,"  # noqa: S608
                " from_webhook, path, size, sha256, content_type"
                " FROM conversations LEFT JOIN audio USING (conversation_id)"
                f" WHERE {condition.sql} ORDER BY {OLDEST_FIRST}",
                condition.parameters,
                rows_per_fetch=DOCUMENTS_PER_FETCH,
            ):
                conversation_id, raw, *fields, from_webhook, path, size, sha256, content_type = row
                recording = None if path is None else to_struct(Recording, (path, size, sha256, content_type))
                values = (conversation_id, self.decode_document(raw), *fields, bool(from_webhook), recording)
                yield to_struct(ArchivedConversation, values)

    def rows(self, table: str, condition: Condition) -> Iterator[dict[str, Any]]:
        """Yield the rows of ``conversations``, ``turns`` or ``tool_calls``, without JSON, oldest first."""
        source, order = table, OLDEST_FIRST
        if table != "conversations":
            source, order = f"{table} JOIN conversations USING (conversation_id)", f"{order}, {table}.position"
        columns = [column.name for column in ROW_TABLES[table].exported]
        names = ", ".join(f"{table}.{name}" for name in columns)
        with translate_content_errors(self.path):
            for row in self.iterate(
                f"SELECT {names} FROM {source} WHERE {condition.sql} ORDER BY {order}",  # noqa: S608
                condition.parameters,
            ):
                yield dict(zip(columns, row, strict=True))

    def iterate_rows(self, table: str, columns: Sequence[str], condition: Condition) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table or view that belong to conversations, oldest conversations first."""
        query = self.select_rows(table, columns, condition)
        with translate_content_errors(self.path):
            for row in self.iterate(query, condition.parameters):
                yield dict(zip(columns, row, strict=True))

    def select_rows(self, table: str, columns: Sequence[str], condition: Condition) -> str:
        """Return the query of `iterate_rows`. Its rows have the order of its loops: sorting would copy all of them."""
        return (
            "WITH chosen AS MATERIALIZED (SELECT conversation_id FROM conversations"  # noqa: S608
            f" WHERE {condition.sql} ORDER BY {OLDEST_FIRST} LIMIT -1)"  # without a limit, SQLite omits the order
            f" SELECT {', '.join(f'rows.{name}' for name in columns)} FROM chosen CROSS JOIN {table} AS rows"
            " ON rows.conversation_id = chosen.conversation_id"
        )

    @staticmethod
    def build_match(terms: Sequence[Term]) -> Condition:
        """Return the condition for turns whose messages have all terms."""
        return Condition("turns_search MATCH ?", [to_fts_query(terms)])

    def find_matches(self, terms: Sequence[Term], most: int) -> list[str] | None:
        """Return conversations, with those that have all terms in a turn; None if more than ``most`` turns do."""
        match = self.build_match(terms)
        count = f"SELECT count(*) FROM (SELECT 1 FROM {self.searched_table} WHERE {match.sql} LIMIT ?) AS matches"  # noqa: S608
        if fetch_value(self.connection, count, *match.parameters, most + 1) > most:
            return None
        rows = self.connection.execute(
            f"SELECT DISTINCT conversation_id FROM {self.searched_table}{self.join_turns} WHERE {match.sql}",  # noqa: S608
            match.parameters,
        )
        return [conversation_id for (conversation_id,) in rows]

    def get_rows(self, table: str, conversation_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return conversations' rows of ``turns`` or ``tool_calls``, without the id, in their order.

        A conversation without rows is not in the result.
        """
        columns = [column.name for column in ROW_TABLES[table].exported if column.name != "conversation_id"]
        found: dict[str, list[dict[str, Any]]] = {}
        with translate_content_errors(self.path):
            for conversation_id, *row in self.connection.execute(
                f"SELECT conversation_id, {', '.join(columns)} FROM {table} WHERE {BY_ID}"  # noqa: S608
                " ORDER BY conversation_id, position",
                (encode_list(conversation_ids),),
            ):
                found.setdefault(conversation_id, []).append(dict(zip(columns, row, strict=True)))
        return found
