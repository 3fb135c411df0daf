"""Nothing stores a conversation again that was deleted from the archive."""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import pytest
from archives import rows, summary
from hypothesis import given, settings
from hypothesis import strategies as st

from convai_async import ConvAIClient
from convai_async.archive import Archive, copy_archive, store_conversation
from convai_async.archive._records import (
    DeletionUpdate,
    Failure,
    Recording,
    RecordingUpdate,
    Update,
    decode_update,
)
from convai_async.archive._schema._tables import CONVERSATION_TABLES
from convai_async.archive._writer import ArchiveWriter
from convai_async.cli._app import run
from convai_async.harvest import harvest
from convai_async.models import Conversation
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["postgres_fixtures"]

SOURCE = "https://api.elevenlabs.io"
SERVICE = FakeConvAI(conversations=3, seed=3)
IDS = sorted(SERVICE.conversations)
RAW = {each: SERVICE.conversations.document(each) for each in IDS}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def create_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Returns the location of a new archive."""
    if request.param == "sqlite":
        return lambda: str(tmp_path_factory.mktemp("new") / "calls.db")
    url = request.getfixturevalue("postgres_database")
    return lambda: f"{url}?workspace={uuid4().hex}"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An older copy of the archive, with everything that can be in one, and its export beside it."""
    path = tmp_path_factory.mktemp("older") / "older.db"
    with ArchiveWriter(path, SOURCE) as writer:
        for each in IDS:
            writer.store(build_updates(each))
        writer._connection.execute("INSERT INTO steps VALUES ('score', 1, 'final', NULL)")
        writer._connection.executemany("INSERT INTO step_results VALUES (?, 'score', 1, '3', 1)", [(i,) for i in IDS])
        writer._connection.executemany(
            "INSERT INTO step_jobs VALUES (?, 'score', 1, 8, NULL, NULL, 'x')", [(i,) for i in IDS]
        )
    with Archive.open(path) as archive:
        archive.export(path.with_suffix(".jsonl"))
    return path


def build_updates(conversation_id: str) -> list[Update]:
    """Return each kind of update of a conversation."""
    line = summary(conversation_id, call_summary_title="A title")
    return [
        decode_update(line, RAW[conversation_id], 1_780_000_000),
        RecordingUpdate(conversation_id, Recording("audio/one.mp3", 3, "abc", "audio/mpeg")),
        DeletionUpdate(conversation_id, 1_780_000_001),
        Failure(conversation_id, "503", 5, "audio", line),
    ]


def find_ids(path: str) -> set[str]:
    """Return the ids of the conversations of which the archive has anything."""
    tables = ("conversations", *CONVERSATION_TABLES)
    query = " UNION ".join(f"SELECT conversation_id FROM {table}" for table in tables)
    return {each for (each,) in rows(path, query)}


class Operations:
    """Everything that stores conversations."""

    def __init__(self, path: str, older: Path) -> None:
        self.path = path
        self.older = older

    def receive_webhook(self, ids: set[str]) -> set[str]:
        return {
            each
            for each in ids
            if store_conversation(self.path, Conversation.from_json(RAW[each]), source=SOURCE, event_timestamp=2**31)
        }

    def import_export(self, _: set[str]) -> set[str]:
        with Archive.open(self.path, create=True) as archive:
            archive.import_(self.older.with_suffix(".jsonl"))
        return set(IDS)

    def copy_older_archive(self, _: set[str]) -> set[str]:
        report = copy_archive(self.older, self.path)
        assert report.conversations == len(IDS)
        return set(IDS)

    def write_late_page(self, ids: set[str]) -> set[str]:
        with ArchiveWriter(self.path, SOURCE) as writer:
            writer.store([update for each in sorted(ids) for update in build_updates(each)])
        return ids

    def harvest(self, _: set[str]) -> set[str]:
        anyio.run(self._harvest)
        return set(IDS)

    async def _harvest(self) -> None:
        async with FakeConvAI(conversations=3, seed=3) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
            assert (await harvest(client, self.path, source=SOURCE, same_workspace=True)).complete

    def delete(self, ids: set[str]) -> None:
        with Archive.open(self.path, create=True, source=SOURCE) as archive:
            archive.delete(ids)

    def prune(self, ids: set[str]) -> None:
        with ArchiveWriter(self.path, SOURCE) as writer:
            writer.store([DeletionUpdate(each) for each in sorted(ids)], remove_deleted=True)


STORING = ("receive_webhook", "import_export", "copy_older_archive", "write_late_page", "harvest")
schedules = st.lists(
    st.tuples(st.sampled_from(("delete", "prune", *STORING)), st.sets(st.sampled_from(IDS), min_size=1)),
    min_size=3,
    max_size=8,
)


def check_schedule(path: str, older: Path, schedule: list[tuple[str, set[str]]]) -> None:
    doing, stored, deleted, pruned = Operations(path, older), set[str](), set[str](), set[str]()
    for name, ids in [("write_late_page", {IDS[0]}), *schedule]:
        brought = getattr(doing, name)(ids)
        if name == "delete":
            deleted |= ids
        elif name == "prune":
            pruned |= ids
        if brought is None:
            stored -= ids
        elif name == "harvest":
            stored = brought - deleted
        else:
            stored |= brought - deleted - pruned
        pruned -= stored
        assert find_ids(path) == stored, (name, ids)


@settings(max_examples=15)
@given(schedule=schedules)
def test_deleted_conversation_is_never_stored_again(
    tmp_path_factory: pytest.TempPathFactory, older: Path, schedule: list[tuple[str, set[str]]]
) -> None:
    check_schedule(str(tmp_path_factory.mktemp("new") / "calls.db"), older, schedule)


@settings(max_examples=3)
@given(schedule=schedules)
def test_deleted_conversation_is_never_stored_again_in_postgres(
    postgres_database: str, older: Path, schedule: list[tuple[str, set[str]]]
) -> None:
    check_schedule(f"{postgres_database}?workspace={uuid4().hex}", older, schedule)


def test_webhook_and_import_and_copy_say_what_they_skip(
    create_path: Callable[[], str], older: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "convai_async")
    doing = Operations(create_path(), older)
    doing.delete({IDS[0]})
    assert doing.receive_webhook(set(IDS[:2])) == {IDS[1]}
    [message] = caplog.messages
    assert message.startswith("a conversation that was deleted from '")
    assert IDS[0] not in message
    report = copy_archive(older, doing.path)
    assert (report.conversations, report.copied, report.skipped, report.recordings) == (3, 2, 1, 2)
    caplog.clear()
    exported = older.with_suffix(".jsonl")
    with Archive.open(doing.path) as archive:
        assert archive.import_(exported) == 2
    assert caplog.messages == [
        f"{str(exported)!r}: 1 of 3 conversations were not stored, since they were deleted from the archive before"
    ]


async def test_pruned_conversation_that_the_service_has_again_is_harvested(create_path: Callable[[], str]) -> None:
    path = create_path()
    async with FakeConvAI(conversations=3, seed=3) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        await harvest(client, path)
        with ArchiveWriter(path, fake.url) as writer:
            writer.store([DeletionUpdate(IDS[0])], remove_deleted=True)
            assert writer.store([decode_update(summary(IDS[0]), RAW[IDS[0]], 1)]) == {IDS[0]}
        report = await harvest(client, path, lookback=timedelta(days=4000))
        assert (report.fetched, report.skipped) == (1, 0)
    assert find_ids(path) == set(IDS)


def test_only_the_hash_of_a_deleted_id_is_kept(create_path: Callable[[], str]) -> None:
    path = create_path()
    with ArchiveWriter(path, SOURCE, clock=lambda: 1_000.0) as writer:
        writer.remove([IDS[0]])
        writer.remove([IDS[0]])
    digest = hashlib.sha256(IDS[0].encode()).hexdigest()
    assert rows(path, "SELECT id_sha256, deleted_unix_secs FROM deleted_ids") == [(digest, 1_000)]


async def test_harvest_skips_what_was_deleted_here_until_it_is_forgotten(create_path: Callable[[], str]) -> None:
    path = create_path()
    async with FakeConvAI(conversations=3, seed=3) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        await harvest(client, path)
        with Archive.open(path) as archive:
            archive.delete([IDS[0]])
        before = len(fake.requests())
        report = await harvest(client, path, lookback=timedelta(days=4000))
        assert (report.found, report.unchanged, report.skipped, report.fetched) == (3, 2, 1, 0)
        assert report.complete
        assert report.handled == 3
        assert all(IDS[0] not in request.path for request in fake.requests()[before:])
        with ArchiveWriter(path, fake.url) as writer, writer._transaction():
            writer._connection.execute("DELETE FROM deleted_ids")
        assert (await harvest(client, path, lookback=timedelta(days=4000))).fetched == 1
    assert find_ids(path) == set(IDS)


def test_copy_has_the_deletions_of_the_source_but_keeps_its_own_conversations(
    create_path: Callable[[], str], older: Path, tmp_path: Path
) -> None:
    """As where a copy is the place for old conversations, which are deleted from the source after they were copied."""
    source, copy = tmp_path / "source.db", create_path()
    copy_archive(older, source)
    with Archive.open(source) as archive:
        archive.delete([IDS[0]])
    copy_archive(source, copy)
    assert Operations(copy, older).receive_webhook({IDS[0]}) == set()
    with Archive.open(source) as archive:
        archive.delete([IDS[1]])
    copy_archive(source, copy)
    assert find_ids(copy) == {IDS[1], IDS[2]}
    assert Operations(copy, older).receive_webhook({IDS[1]}) == {IDS[1]}


def test_commands_say_what_was_skipped(
    create_path: Callable[[], str], older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = create_path()
    assert run(["harvest", path, "--sandbox", "3", "--lookback", "4000"]) == 0
    [(first,)] = rows(path, "SELECT min(conversation_id) FROM conversations")
    exported = str(older.with_name(f"{uuid4().hex}.jsonl"))
    assert run(["export", path, exported]) == 0
    with Archive.open(path) as archive:
        archive.delete([first])
    capsys.readouterr()
    assert run(["harvest", path, "--sandbox", "3", "--lookback", "4000"]) == 0
    assert "1 skipped, since they were deleted from the archive before" in capsys.readouterr().out
    assert run(["import", path, exported]) == 0
    captured = capsys.readouterr()
    assert "imported 2 conversations" in captured.out
    assert "1 of 3 conversations were not stored" in captured.err
    copied = str(older.with_name(f"{uuid4().hex}.db"))
    assert run(["import", copied, exported]) == 0
    assert run(["copy", copied, path]) == 0
    assert (
        "0 conversations copied, 2 were there already, 1 skipped, since they were deleted from it before;"
        in capsys.readouterr().out
    )
