"""Collect statistics about the archives for PostgreSQL's planner after the first large harvest.

Until then the planner takes the tables for small, and queries of dashboards can take minutes. Autovacuum collects the
statistics later, and keeps them up to date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from convai_async.archive._schema._tables import DETAIL_NAMES

if TYPE_CHECKING:
    from convai_async.workers._database import Connection

_NEVER_ANALYZED = """
SELECT last_analyze IS NULL AND last_autoanalyze IS NULL FROM pg_stat_user_tables
WHERE schemaname = 'convai' AND relname = 'conversations'
"""
_ANALYZE = sql.SQL("ANALYZE {}").format(
    sql.SQL(", ").join(sql.Identifier("convai", name) for name in ("conversations", *DETAIL_NAMES))
)


async def analyze_once(connection: Connection) -> None:
    """Analyze the tables of archives if that was never done. PostgreSQL skips tables that the role does not own."""
    cursor = await connection.execute(_NEVER_ANALYZED)
    if await cursor.fetchone() == (True,):
        await connection.execute(_ANALYZE)
