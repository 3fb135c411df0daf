"""The role that the documentation gives dashboards can read an archive, and nothing else."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest
from documentation import DOCS
from postgres_holder import SOURCE, store

from convai_async.archive import Archive, ArchiveError, copy_archive
from convai_async.archive._writer import ArchiveWriter
from convai_async.workers import prepare_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["postgres_fixtures"]

BLOCK = re.compile(r"<!-- sql: dashboards -->\n```sql\n(.*?)```", re.DOTALL)


@pytest.fixture
def reader_url(postgres_url: str) -> Iterator[str]:
    with closing(ArchiveWriter(postgres_url, SOURCE, hash_api_key=lambda salt: salt)) as writer:
        store(writer, "one")
    asyncio.run(prepare_database(postgres_url))  # workers add tables
    found = BLOCK.search((DOCS / "postgres.md").read_text())
    assert found is not None
    parts = urlsplit(postgres_url)
    role = f"reader_{parts.path.removeprefix('/')}"  # roles are of the whole server
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(found[1].replace("dashboards", role).encode())
        connection.execute(f"ALTER ROLE {role} PASSWORD 'secret'".encode())
        try:
            yield parts._replace(netloc=f"{role}:secret@{parts.hostname}:{parts.port}").geturl()
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_reader_can_read_the_archive(reader_url: str) -> None:
    with Archive.open(reader_url) as archive:
        assert archive.status().conversations == 1
        assert [each.conversation_id for each in archive.conversations()] == ["one"]


def read_rights(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "WITH lists AS (SELECT nspname, '' AS name, nspacl AS acl FROM pg_namespace"
        " UNION ALL SELECT nspname, relname, relacl FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace"
        " UNION ALL SELECT nspname, relname || '.' || attname, attacl FROM pg_attribute"
        " JOIN pg_class AS c ON c.oid = attrelid JOIN pg_namespace AS n ON n.oid = relnamespace)"
        " SELECT nspname, name, privilege_type, grantee::regrole::text, is_grantable FROM lists, aclexplode(acl)"
        " WHERE nspname LIKE 'convai%' AND pg_get_userbyid(grantee) <> current_user ORDER BY 1, 2, 3, 4"
    ).fetchall()


def test_upgrade_keeps_the_rights_on_views(reader_url: str, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("GRANT SELECT (day) ON convai_workspace.daily TO PUBLIC")
        connection.execute("CREATE VIEW convai_workspace.removed AS SELECT 1 AS one")
        connection.execute("GRANT SELECT, UPDATE (one) ON convai_workspace.removed TO PUBLIC")
        connection.execute("GRANT SELECT, INSERT ON convai.calls TO pg_monitor WITH GRANT OPTION")
        connection.execute("DROP TABLE convai.deleted_ids CASCADE")
        connection.execute("UPDATE convai.schema_version SET version = 6")
        before = read_rights(connection)
        assert Archive.upgrade(postgres_url)
        after = read_rights(connection)
    before = [right for right in before if right[1] not in {"removed", "removed.one"}]
    assert after == before
    with Archive.open(reader_url) as archive:
        assert archive.status().conversations == 1


def test_reader_without_a_right_on_the_schema_does_not_read_all_workspaces(reader_url: str, postgres_url: str) -> None:
    role = urlsplit(reader_url).username
    with Archive.open(reader_url) as archive, psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"REVOKE USAGE ON SCHEMA convai_workspace FROM {role}".encode())
        with pytest.raises(ArchiveError, match="schema convai_workspace: grant it USAGE"), archive.snapshot():
            pass
        with pytest.raises(ArchiveError, match=r"not permitted to do this: .* schema convai_workspace"):
            Archive.open(reader_url)


def test_reader_can_copy_the_archive_without_the_hash_of_the_key(reader_url: str, tmp_path: Path) -> None:
    copy_archive(reader_url, tmp_path / "copy.db")
    with Archive.open(tmp_path / "copy.db") as archive, archive.snapshot() as connection:
        assert connection.execute("SELECT conversation_id FROM conversations").fetchall() == [("one",)]
        assert connection.execute("SELECT key_salt, key_fingerprint FROM archive").fetchall() == [(None, None)]


def test_reader_can_query_all_workspaces(reader_url: str) -> None:
    with psycopg.connect(reader_url) as connection:
        assert connection.execute("SELECT workspace, calls FROM convai.daily").fetchall() == [("default", 1)]


@pytest.mark.parametrize("schema", ["convai", "convai_workspace"])
def test_reader_cannot_see_the_hash_of_the_key(reader_url: str, schema: str) -> None:
    with psycopg.connect(reader_url) as connection:
        connection.execute("SET convai.workspace = 'default'")
        assert connection.execute(f"SELECT source FROM {schema}.archive".encode()).fetchall() == [(SOURCE,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT key_fingerprint FROM {schema}.archive".encode())


def test_reader_can_read_nothing_about_keys(reader_url: str) -> None:
    with psycopg.connect(reader_url) as connection:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns"
            " WHERE table_schema LIKE 'convai%' AND column_name ~ 'salt|fingerprint' AND has_column_privilege("
            "format('%I.%I', table_schema, table_name), column_name, 'SELECT')"
        ).fetchall()
    assert columns == []


def test_reader_cannot_write(reader_url: str) -> None:
    with psycopg.connect(reader_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM convai.conversations")
    with pytest.raises(ArchiveError, match="not permitted"):
        ArchiveWriter(reader_url, SOURCE)
