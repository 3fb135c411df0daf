"""The role that the documentation gives dashboards can read an archive, and nothing else."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from documentation import DOCS
from postgres_holder import SOURCE, store

from convai_async.archive import Archive, ArchiveError
from convai_async.archive._writer import ArchiveWriter
from convai_async.workers import prepare_database

if TYPE_CHECKING:
    from collections.abc import Iterator

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
