"""Deletions are noted in ``convai.deletions``."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from convai_async import ConvAIClient
from convai_async.archive import Archive
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI

pytest_plugins = ["postgres_fixtures"]


@pytest.fixture
async def url(postgres_url: str) -> str:
    """A database in which two workspaces have the same five conversations."""
    async with FakeConvAI(conversations=5) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        for name in ("acme", "beta"):
            await harvest(client, f"{postgres_url}?workspace={name}")
    return postgres_url


def query(url: str, sql: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


async def test_deletion_is_noted_without_ids(url: str) -> None:
    with Archive.open(f"{url}?workspace=acme") as archive:
        first, second, *_ = [each.conversation_id for each in archive.records()]
        assert archive.delete([first, second]) == 2
        assert archive.delete([first]) == 0
    [(workspace, count, role, program)] = query(
        url, "SELECT workspace, conversations, role, program FROM convai.deletions"
    )
    assert (workspace, count, role, program) == ("acme", 2, "postgres", "convai_async")
    assert first not in repr(query(url, "SELECT * FROM convai.deletions"))


async def test_deletion_with_sql_is_noted_for_each_workspace(url: str) -> None:
    query(
        url,
        "DELETE FROM convai.conversations WHERE conversation_id ="
        " (SELECT min(conversation_id) FROM convai.conversations)",
    )
    assert query(url, "SELECT workspace, conversations FROM convai.deletions ORDER BY 1") == [("acme", 1), ("beta", 1)]


async def test_a_role_that_may_delete_cannot_change_the_notes(url: str) -> None:
    query(url, "CREATE ROLE convai_eraser LOGIN PASSWORD 'e'")
    try:
        query(
            url,
            "GRANT USAGE ON SCHEMA convai TO convai_eraser;"
            " GRANT SELECT, DELETE ON convai.conversations TO convai_eraser",
        )
        as_eraser = url.replace(url[len("postgresql://") : url.index("@")], "convai_eraser:e")
        query(as_eraser, "DELETE FROM convai.conversations WHERE workspace = 'acme'")
        assert query(url, "SELECT workspace, conversations, role FROM convai.deletions") == [
            ("acme", 5, "convai_eraser")
        ]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(as_eraser, "DELETE FROM convai.deletions")
    finally:
        query(url, "DROP OWNED BY convai_eraser")
        query(url, "DROP ROLE convai_eraser")
