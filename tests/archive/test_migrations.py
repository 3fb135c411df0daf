"""Archives of older versions become archives of this one."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from convai_async.archive import Archive, ArchiveError, Window
from convai_async.archive._lookups import Scope
from convai_async.archive._migrations import MIGRATIONS
from convai_async.archive._schema import SCHEMA_VERSION
from convai_async.archive._writer import ArchiveWriter
from convai_async.models import ConversationSummary

DATA = Path(__file__).parents[1] / "data"
SOURCE = "sandbox:4"
CONTENTS = "SELECT conversation_id, raw FROM conversations ORDER BY 1"
SAID = "SELECT conversation_id, position, message FROM turns ORDER BY 1, 2"


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def old_archive(folder: Path, version: int) -> Path:
    path = folder / "calls.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / f"archive-schema-{version}.sql").read_text())
    return path


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_older_archive_is_upgraded_and_keeps_its_contents(tmp_path: Path, version: int) -> None:
    path = old_archive(tmp_path, version)
    before, said, failures = (rows(path, query) for query in (CONTENTS, SAID, "SELECT attempts FROM failures"))
    with pytest.raises(ArchiveError, match=r"older convai_async .*the next `convai-async harvest"):
        Archive.open(path)
    ArchiveWriter(path, SOURCE).close()
    assert (rows(path, CONTENTS), rows(path, SAID)) == (before, said)
    with Archive.open(path) as archive:
        word = next(word for _, _, message in said for word in message.split() if word.isalpha())
        assert list(archive.search(word)) != []
        assert [(failure.attempts,) for failure in archive.failures()] == failures
        assert archive.status().conversations == len(before)
    fresh = tmp_path / "fresh.db"
    ArchiveWriter(fresh, SOURCE).close()
    for query in (
        "SELECT name, type FROM sqlite_schema ORDER BY 1",
        "SELECT t.name, c.name, c.type, c.pk FROM sqlite_schema t, pragma_table_info(t.name) c ORDER BY 1, 2",
        "PRAGMA user_version",
    ):
        assert rows(path, query) == rows(fresh, query)


def test_placeholder_list_entries_of_version_2_webhooks_are_dropped(tmp_path: Path) -> None:
    path = old_archive(tmp_path, 2)
    with ArchiveWriter(path, SOURCE) as writer:
        assert [each.conversation_id for each in writer.find_unfinished(Scope(Window(0, None)))] == [
            "conv_wiped",
            "conv_x",
        ]
        assert writer.get_windows("") == [Window(1_600_000_000, 1_700_000_001)]
        hook = ConversationSummary(conversation_id="conv_hook", agent_id="agent_1", status="done", message_count=1)
        assert writer.find_unchanged([hook]) == {"conv_hook"}
    assert rows(path, "SELECT conversation_id, from_webhook, summary_json IS NULL FROM conversations ORDER BY 1") == [
        ("conv_a", 0, 0),
        ("conv_b", 0, 0),
        ("conv_hook", 1, 1),
        ("conv_wiped", 1, 1),
    ]


def test_removal_that_version_2_left_incomplete_is_completed(tmp_path: Path) -> None:
    path = old_archive(tmp_path, 2)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DELETE FROM turns; DELETE FROM conversations;")
    assert b"refund" in path.read_bytes()
    ArchiveWriter(path, SOURCE).close()
    assert b"refund" not in path.read_bytes()


FROZEN = {1: "45f4a535d60fda38", 2: "5620c920307f4120", 3: "7e3f49337c026997"}
"""Of each migration, the beginning of its SHA-256."""


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION - 1))
def test_migration_makes_the_tables_of_the_next_version_and_not_of_today(version: int) -> None:
    query = (
        'SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk'
        " FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1, 2"
    )
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((DATA / f"archive-schema-{version + 1}.sql").read_text())
        next_version = connection.execute(query).fetchall()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((DATA / f"archive-schema-{version}.sql").read_text())
        connection.executescript(MIGRATIONS[version])
        upgraded = connection.execute(query).fetchall()
    assert upgraded == next_version


def test_first_migration_makes_tables_with_the_text_of_version_2() -> None:
    """A text that was released does not change: what it makes is what the next one begins with."""
    query = "SELECT sql FROM sqlite_schema WHERE name IN ('turns', 'failures')"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((DATA / "archive-schema-2.sql").read_text())
        version_2 = connection.execute(query).fetchall()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((DATA / "archive-schema-1.sql").read_text())
        connection.executescript(MIGRATIONS[1])
        upgraded = connection.execute(query).fetchall()
    assert sorted(version_2) == sorted(upgraded)


def test_migrations_are_frozen() -> None:
    """Released: never change a text. A new migration gets a new line here."""
    digests = {version: hashlib.sha256(text.encode()).hexdigest()[:16] for version, text in MIGRATIONS.items()}
    assert digests == FROZEN
