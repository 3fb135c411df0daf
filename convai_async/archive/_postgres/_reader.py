"""Read a workspace in PostgreSQL."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from convai_async.archive._postgres._changes import decompress
from convai_async.archive._postgres._database import open_for_reading
from convai_async.archive._postgres._search import build_condition
from convai_async.archive._reader import ArchiveReader
from convai_async.archive._sql import fetch_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from convai_async.archive._conditions import Condition
    from convai_async.archive._location import PostgresUrl
    from convai_async.archive._postgres._connection import PostgresConnection
    from convai_async.archive._search_terms import Term


_MOST_MATCHES = 2_000
"""How many rows can be read for a page of a list: each is somewhere else in the table."""


class PostgresReader(ArchiveReader):
    """Reads a workspace in PostgreSQL.

    Raises:
        ArchiveConnectionError: The database cannot be reached.
        ArchiveError: It has no such workspace, or the schema of another version.
    """

    connection: PostgresConnection
    schema = "convai_workspace"
    searched_table = "turns"
    join_turns = ""

    def __init__(self, url: PostgresUrl) -> None:
        super().__init__(url, open_for_reading(url))

    @contextmanager
    def snapshot(self) -> Iterator[PostgresConnection]:
        """See `ArchiveReader`."""
        self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        try:
            self.connection.check_session()
            yield self.connection
        finally:
            self.connection.rollback()

    def select_rows(self, table: str, columns: Sequence[str], condition: Condition) -> str:
        """See `ArchiveReader`: here, an index and an incremental sort of each conversation's rows make the order."""
        names = [f"rows.{name}" for name in columns]
        return (
            "WITH chosen AS NOT MATERIALIZED (SELECT conversation_id, start_time_unix_secs FROM conversations"  # noqa: S608
            f" WHERE {condition.sql}) SELECT {', '.join(names)} FROM chosen JOIN {table} AS rows"
            " ON rows.conversation_id = chosen.conversation_id"
            f" ORDER BY chosen.start_time_unix_secs NULLS FIRST, chosen.conversation_id, {', '.join(names)}"
        )

    def find_matches(self, terms: Sequence[Term], most: int) -> list[str] | None:
        """See `ArchiveReader`; called in a transaction. Some turns have the words of a phrase in another order."""
        most = min(most, _MOST_MATCHES)
        match = build_condition(terms, any_order=True)
        # The index returns all rows at once: of a frequent word, some are enough to see that there are too many.
        self.connection.execute(f"SET LOCAL gin_fuzzy_search_limit = {4 * most}")
        query = f"SELECT conversation_id FROM turns WHERE {match.sql} LIMIT ?"  # noqa: S608
        ids = [each for (each,) in self.connection.execute(query, (*match.parameters, most + 1))]
        return None if len(ids) > most else list(dict.fromkeys(ids))

    @staticmethod
    def build_match(terms: Sequence[Term]) -> Condition:
        """See `ArchiveReader`."""
        return build_condition(terms)

    def decode_document(self, stored: Any) -> bytes:
        """See `ArchiveReader`."""
        return decompress(stored)

    def read_binding(self) -> tuple[bytes | None, bytes | None]:
        """See `ArchiveReader`."""
        permitted = "SELECT has_column_privilege('convai_workspace.archive', 'key_fingerprint', 'SELECT')"
        return super().read_binding() if fetch_value(self.connection, permitted) else (None, None)

    def measure_size(self) -> int:
        """See `ArchiveReader`: that of the database."""
        return int(fetch_value(self.connection, "SELECT pg_database_size(current_database())"))
