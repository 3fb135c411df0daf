"""The schema in PostgreSQL is created and upgraded once, also by several processes at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from postgres_holder import SOURCE, store

from convai_async.archive import Archive, ArchiveError
from convai_async.archive._postgres import _database
from convai_async.archive._postgres._migrations import MIGRATIONS
from convai_async.archive._postgres._schema import POSTGRES_TABLES, get_columns
from convai_async.archive._schema._tables import SCHEMA_VERSION
from convai_async.archive._writer import ArchiveWriter

pytest_plugins = ["postgres_fixtures"]

NEXT = SCHEMA_VERSION + 1


def read_version(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT version FROM convai.schema_version").fetchall()
    assert len(found) == 1
    return int(found[0][0])


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_database, "SCHEMA_VERSION", NEXT)
    monkeypatch.setitem(MIGRATIONS, NEXT - 1, "CREATE TABLE added (made integer); SELECT pg_sleep(0.05);")


def open_and_close(url: str, workspace: str) -> None:
    ArchiveWriter(f"{url}?workspace={workspace}", SOURCE).close()


def test_several_processes_make_the_schema_at_once(postgres_url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(partial(open_and_close, postgres_url), map(str, range(6))))
    assert read_version(postgres_url) == SCHEMA_VERSION


@pytest.mark.parametrize("name", [table.name for table in POSTGRES_TABLES])
def test_workspace_is_the_first_column_of_each_table_and_primary_key(postgres_url: str, name: str) -> None:
    open_and_close(postgres_url, "acme")
    with psycopg.connect(postgres_url) as connection:
        columns = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            (f"convai.{name}",),
        ).fetchall()
        key = connection.execute(
            "SELECT pg_get_indexdef(indexrelid, 1, true) FROM pg_index WHERE indrelid = %s::regclass AND indisprimary",
            (f"convai.{name}",),
        ).fetchall()
    assert columns[0] == ("workspace",)
    table = next(each for each in POSTGRES_TABLES if each.name == name)
    assert {column.name for column in get_columns(table)} - {each for (each,) in columns} <= {"raw"}
    assert key in ([], [("workspace",)])


@pytest.mark.usefixtures("newer")
def test_an_older_schema_is_upgraded_once_and_keeps_its_data(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(_database, "SCHEMA_VERSION", NEXT - 1)
        with closing(ArchiveWriter(postgres_url, SOURCE)) as writer:
            store(writer, "one")
    with pytest.raises(ArchiveError, match="older convai_async"):
        Archive.open(postgres_url)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(partial(open_and_close, postgres_url), map(str, range(4))))
    assert read_version(postgres_url) == NEXT
    assert not Archive.upgrade(postgres_url)
    with Archive.open(postgres_url) as archive, archive.snapshot() as connection:
        assert connection.execute("SELECT conversation_id FROM calls").fetchall() == [("one",)]
        assert connection.execute("SELECT * FROM added").fetchall() == []


@pytest.mark.usefixtures("newer")
def test_upgrade_returns_whether_it_was_necessary(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Archive.upgrade(postgres_url)
    with monkeypatch.context() as older:
        older.setattr(_database, "SCHEMA_VERSION", NEXT - 1)
        open_and_close(postgres_url, "acme")
    assert Archive.upgrade(postgres_url)
    assert read_version(postgres_url) == NEXT


def describe_schema(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT c.oid::regclass::text, attname, atttypid::regtype, attnotnull, attcollation::regcollation::text,"
            " pg_get_expr(adbin, adrelid), col_description(c.oid, attnum), obj_description(c.oid), relkind"
            " FROM pg_class c JOIN pg_attribute ON attrelid = c.oid"
            " LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum"
            " WHERE relnamespace::regnamespace::text LIKE 'convai%' AND attnum > 0 ORDER BY 1, attnum"
        ).fetchall()


def test_schema_of_version_6_becomes_the_schema_of_today(postgres_url: str) -> None:
    with closing(ArchiveWriter(postgres_url, SOURCE)) as writer:
        store(writer, "one")
    today = describe_schema(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DROP TABLE convai.deleted_ids CASCADE")
        connection.execute("UPDATE convai.archive SET key_salt = 'salt', key_fingerprint = 'of version 6'")
        connection.execute("UPDATE convai.schema_version SET version = 6")
    assert Archive.upgrade(postgres_url)
    assert describe_schema(postgres_url) == today
    with closing(ArchiveWriter(postgres_url, SOURCE, hash_api_key=lambda salt: salt)) as writer:
        assert not writer.is_bound, "a harvest compares its conversations with those of the service first"
    with Archive.open(postgres_url) as archive:
        assert archive.status().conversations == 1


def test_a_newer_schema_is_refused(postgres_url: str) -> None:
    open_and_close(postgres_url, "acme")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE convai.schema_version SET version = 999")
    for open_archive in (Archive.open, partial(ArchiveWriter, source=SOURCE)):
        with pytest.raises(ArchiveError, match="newer convai_async"):
            open_archive(f"{postgres_url}?workspace=acme")


def test_a_database_of_another_encoding_is_refused(postgres_connection: psycopg.Connection, postgres_url: str) -> None:
    name = f"convai_test_{uuid4().hex}"
    postgres_connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1'".encode())
    try:
        with pytest.raises(ArchiveError, match="has the encoding LATIN1: create one with"):
            ArchiveWriter(urlsplit(postgres_url)._replace(path=name).geturl(), SOURCE)
    finally:
        postgres_connection.execute(f"DROP DATABASE {name}".encode())


def test_a_failed_upgrade_changes_nothing(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(ArchiveWriter(postgres_url, SOURCE)) as writer:
        store(writer, "one")
    with monkeypatch.context() as newer:
        newer.setattr(_database, "SCHEMA_VERSION", NEXT)
        newer.setitem(MIGRATIONS, NEXT - 1, "CREATE TABLE added (made integer); SELECT 1 / 0;")
        with pytest.raises(ArchiveError, match="division by zero"):
            Archive.upgrade(postgres_url)
    with Archive.open(postgres_url) as archive:
        assert archive.status().conversations == 1


@pytest.mark.parametrize("rows", ["SELECT 1 WHERE false", "SELECT 'new'"])
def test_a_schema_of_another_program_is_refused(postgres_url: str, rows: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE SCHEMA convai CREATE TABLE schema_version (version text)")
        connection.execute(f"INSERT INTO convai.schema_version {rows}")
    with pytest.raises(ArchiveError, match="does not belong to a convai archive"):
        Archive.open(postgres_url)
