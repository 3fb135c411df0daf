"""Create and upgrade the tables of the workers, also when several workers start at the same time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from procrastinate.schema import SchemaManager
from psycopg import sql

from convai_async.archive._postgres._database import prepare_schema
from convai_async.workers._database import QUEUE_SCHEMA, connect, parse_database
from convai_async.workers._key_limits_table import KEY_LIMIT_TABLES

if TYPE_CHECKING:
    from typing import LiteralString

    from convai_async.workers._database import Connection

_LOCK = 0x636F6E766169
"""The number of the advisory lock; another program is unlikely to use it."""

_TABLES = """
CREATE TABLE IF NOT EXISTS convai.workspaces (
    name text PRIMARY KEY,
    key text NOT NULL,
    archive text NOT NULL,
    region text NOT NULL,
    base_url text,
    agents text[] NOT NULL,
    lookback interval NOT NULL,
    audio boolean NOT NULL,
    recordings text,
    share double precision NOT NULL,
    schedule text NOT NULL,
    paused boolean NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    scheduled_until timestamptz
);
CREATE TABLE IF NOT EXISTS convai.harvests (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    workspace text NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome text,
    found bigint NOT NULL DEFAULT 0,
    fetched bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    recordings bigint NOT NULL DEFAULT 0,
    error text
);
CREATE INDEX IF NOT EXISTS harvests_of_workspace ON convai.harvests (workspace, started_at);
"""


async def prepare_database(database: str) -> None:
    """Create what is missing in the database, and upgrade procrastinate's tables to the installed version.

    Raises:
        ArchiveError: The database cannot be reached, or the role may not create schemas.
        InvalidArgumentError: It is not a URL of a PostgreSQL database.
    """
    parsed = parse_database(database)
    await run_sync(prepare_schema, parsed)
    async with connect(parsed) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))  # until the connection is closed
        await connection.execute(_TABLES)
        await connection.execute(KEY_LIMIT_TABLES)
        await _prepare_queue(connection)


async def _prepare_queue(connection: Connection) -> None:
    """Create or upgrade procrastinate's tables; the comment of their schema is the name of the last migration."""
    if not await _fetch(connection, "SELECT to_regnamespace(%s) IS NOT NULL"):  # an administrator may have created it
        await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(QUEUE_SCHEMA)))
    applied = await _fetch(connection, "SELECT obj_description(%s::regnamespace, 'pg_namespace')")
    migrations = await run_sync(_find_migrations)
    if applied is None:
        await _migrate(connection, SchemaManager.get_schema().encode(), max(migrations))
        return
    for name in sorted(migrations):
        if name > applied:  # each in its own transaction: the next may use what it has added to an enum
            await _migrate(connection, migrations[name], name)


async def _fetch(connection: Connection, query: LiteralString) -> Any:
    """Return the value that a query about the schema of the queue has."""
    cursor = await connection.execute(query, (QUEUE_SCHEMA,))
    row = await cursor.fetchone()
    return row and row[0]


async def _migrate(connection: Connection, migration: bytes, name: str) -> None:
    async with connection.transaction():
        await connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(QUEUE_SCHEMA)))
        await connection.execute(migration)
        await connection.execute(
            sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(QUEUE_SCHEMA), sql.Literal(name))
        )


def _find_migrations() -> dict[str, bytes]:
    """Return procrastinate's migrations by their names, which begin with versions."""
    return {path.name: path.read_bytes() for path in Path(SchemaManager.get_migrations_path()).glob("*.sql")}
