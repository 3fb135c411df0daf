"""Conversations that the service has deleted are marked or removed, and never too many of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from archive_file import ids_in, query

from convai_async import ConvAIClient
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("prune", ["mark", "remove", None])
async def test_deleted_conversation_within_the_lookback_is_marked_or_removed(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, prune: Any
) -> None:
    await harvest(client, archive, audio=True)
    recent, old = list(fake.conversations)[1], list(fake.conversations)[-2]
    fake.conversations.remove(recent)
    fake.conversations.remove(old)
    report = await harvest(client, archive, prune=prune)
    marked = {row[0] for row in query(archive, "SELECT conversation_id FROM conversations WHERE deleted_unix_secs > 0")}
    assert report.deleted == (0 if prune is None else 1)
    assert marked == ({recent} if prune == "mark" else set())
    assert (recent in ids_in(archive)) is (prune != "remove")
    assert old in ids_in(archive), "it lies before the lookback"
    await harvest(client, archive, prune=prune, lookback=timedelta(days=400))
    assert len(ids_in(archive)) == (248 if prune == "remove" else 250)
    recordings = {path.stem for path in (archive.parent / "audio").iterdir()}
    assert ({recent, old} & recordings == set()) or prune != "remove"


async def test_removed_conversation_leaves_no_bytes_in_the_file(archive: Path) -> None:
    def mark(document: dict[str, Any]) -> None:
        document["transcript"][0]["message"] = "my secret hamster"

    async with (
        FakeConvAI(conversations=5) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        gone = next(iter(fake.conversations))
        fake.faults.add(faults.change(mark), path=gone)
        await harvest(client, archive)
        assert b"hamster" in archive.read_bytes()
        fake.conversations.remove(gone)
        assert (await harvest(client, archive, prune="remove")).deleted == 1
    assert b"hamster" not in b"".join(path.read_bytes() for path in archive.parent.iterdir())


async def test_conversation_missing_in_the_list_but_still_at_the_service_is_not_pruned(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive)
    fake.faults.add(faults.change(lambda page: page["conversations"].clear()), operation="list_conversations", times=5)
    report = await harvest(client, archive, prune="remove", lookback=timedelta(days=400))
    assert report.deleted == 0
    assert len(ids_in(archive)) == 250


@pytest.mark.parametrize("prune", ["mark", "remove"])
async def test_pruning_more_than_the_limit_is_refused_and_prunes_nothing(
    client: ConvAIClient, fake: FakeConvAI, archive: Path, prune: Any
) -> None:
    await harvest(client, archive)
    for conversation_id in list(fake.conversations)[5:31]:
        fake.conversations.remove(conversation_id)
    options: Any = {"prune": prune, "lookback": timedelta(days=400)}
    report = await harvest(client, archive, **options)
    assert (report.not_pruned, report.deleted, report.complete) == (26, 0, False)
    assert query(archive, "SELECT count(*), count(deleted_unix_secs) FROM conversations") == [(250, 0)]
    report = await harvest(client, archive, prune_limit=0, **options)
    assert (report.not_pruned, report.deleted) == (1, 0)
    report = await harvest(client, archive, prune_limit=0.104, **options)
    assert (report.not_pruned, report.deleted, report.complete) == (0, 26, True)
    left = 250 if prune == "mark" else 224
    assert query(archive, "SELECT count(*), count(deleted_unix_secs) FROM conversations") == [(left, left - 224)]


async def test_refused_pruning_leaves_its_ranges_unread(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=30, days=30) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        for conversation_id in list(fake.conversations)[5:20]:
            fake.conversations.remove(conversation_id)
        with closing(sqlite3.connect(archive)) as connection, connection:
            connection.execute("DELETE FROM windows")
        assert (await harvest(client, archive, prune="remove", lookback=timedelta(0))).not_pruned == 11
        report = await harvest(client, archive, prune="remove", prune_limit=1, lookback=timedelta(0))
        assert (report.deleted, report.complete) == (15, True)
        assert len(ids_in(archive)) == 15


async def test_ten_conversations_of_a_small_archive_may_be_pruned(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=12, days=1) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        for conversation_id in list(fake.conversations)[1:11]:
            fake.conversations.remove(conversation_id)
        assert (await harvest(client, archive, prune="remove")).deleted == 10


async def test_only_conversations_with_a_404_are_pruned(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    await harvest(client, archive)
    gone = set(list(fake.conversations)[:4])
    for conversation_id in gone:
        fake.conversations.remove(conversation_id)
    fake.requests.clear()
    await harvest(client, archive, prune="remove")
    asked = {request.path.rpartition("/")[2] for request in fake.requests("get_conversation")}
    assert asked == gone
    assert not gone & set(ids_in(archive))


async def test_404_of_a_proxy_does_not_prune(archive: Path) -> None:
    """A proxy that has lost its routes answers like this for conversations that the service has."""
    async with (
        FakeConvAI(conversations=5, unfinished=1, days=1) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        hidden = list(fake.conversations)[-1]
        fake.faults.add(faults.status(400), operation="get_conversation", times=1)
        assert (await harvest(client, archive, max_concurrency=1)).failed == 1
        fake.faults.clear()
        fake.faults.add(faults.html(404), operation="get_conversation", times=None)
        fake.faults.add(
            faults.change(lambda page: page.update(conversations=[])), operation="list_conversations", times=None
        )
        report = await harvest(client, archive, prune="remove")
        assert report.deleted == 0
        assert not report.complete
        assert hidden in ids_in(archive)
        fake.faults.clear()
        assert (await harvest(client, archive)).complete
        assert sorted(ids_in(archive)) == sorted(fake.conversations)
