"""A copy of an archive has everything that the original has, whichever database each is in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ConvAIClient
from convai_async.archive import Archive, ArchiveError, _batches, copy_archive
from convai_async.archive._records import DeletionUpdate, Failure, Recording, RecordingUpdate, decode_update
from convai_async.archive._schema._tables import DETAIL_TABLES
from convai_async.archive._windows import Window
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import InvalidArgumentError
from convai_async.harvest import harvest
from convai_async.models import ConversationSummary
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["postgres_fixtures"]

SOURCE = "https://api.elevenlabs.io"
KEPT = [
    *(table.name for table in DETAIL_TABLES),
    *("failures", "windows", "steps", "step_results", "step_jobs", "conversations"),
]
OTHER_NAMES = {"turn_id", "workspace", "raw", "raw_sha256"}


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_batches, "_SIZE", 10)
    path = tmp_path / "original.db"
    fake = FakeConvAI(conversations=23, seed=3)
    with ArchiveWriter(path, SOURCE, hash_api_key=lambda salt: salt) as writer:
        for conversation_id in fake.conversations:
            summary = ConversationSummary(conversation_id=conversation_id, call_summary_title="A title")
            writer.store([decode_update(summary, fake.conversations.document(conversation_id), 1_780_000_000)])
        ids = list(fake.conversations)
        writer.store(
            [
                decode_update(ConversationSummary(conversation_id="broken"), b'{"conversation_id": "broken", "x": NaN'),
                RecordingUpdate(ids[0], Recording("audio/one.mp3", 3, "abc", "audio/mpeg")),
                RecordingUpdate(ids[1], None, 1_780_000_001),
                DeletionUpdate(ids[2], 1_780_000_002),
                Failure("missing", "503", 5),
                Failure("range:0-10", "unreadable", 3, "list"),
            ],
            [Window(0, 100), Window(200, 300)],
        )
        writer.store([], [Window(5, 10)], agent_id="agent_1")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO steps VALUES ('score', 2, 'final', NULL)")
        connection.execute("INSERT INTO step_results VALUES (?, 'score', 2, '{\"a\": 1}', 1780000003)", (ids[0],))
        connection.execute("INSERT INTO step_jobs VALUES (?, 'score', 2, 1, 1780000004, NULL, 'an error')", (ids[1],))
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "copy.db")
    return f"{request.getfixturevalue('postgres_url')}?workspace=copy"


def read_all(path: str | Path) -> dict[str, Any]:
    contents: dict[str, Any] = {}
    with Archive.open(path) as archive, archive.snapshot() as connection:
        contents["documents"] = [(each.conversation_id, each.raw) for each in archive.records()]
        contents["audio"] = connection.execute("SELECT conversation_id, size, sha256 FROM audio").fetchall()
        contents["key"] = connection.execute("SELECT key_salt, key_fingerprint FROM archive").fetchall()
        for name in KEPT:
            cursor = connection.execute(f"SELECT * FROM {name}")
            names = [column for column, *_ in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
            kept = [{key: value for key, value in row.items() if key not in OTHER_NAMES} for row in rows]
            contents[name] = sorted(kept, key=repr)
    return contents


def test_copy_has_everything_and_a_second_one_changes_nothing(original: Path, destination: str) -> None:
    seen: list[int] = []
    report = copy_archive(original, destination, progress=seen.append)
    assert (report.conversations, report.copied, report.recordings) == (24, 24, 1)
    assert seen == [10, 20, 24]
    expected = read_all(original)
    assert read_all(destination) == expected
    again = copy_archive(original, destination)
    assert (again.copied, again.sha256) == (0, report.sha256)
    assert read_all(destination) == expected


def build_late_writer(archive: str) -> Callable[[int], None]:
    """Return a function that stores another conversation when it is called first."""
    late = [b'{"conversation_id": "late", "transcript": [{"role": "user", "message": "Hello?"}]}']

    def store(_: int) -> None:
        while late:
            with ArchiveWriter(archive, SOURCE, exclusive=False) as writer:
                summary = ConversationSummary(conversation_id="late")
                writer.store([decode_update(summary, late.pop())], [Window(300, 400)])

    return store


def test_copy_is_of_one_moment_while_the_source_is_harvested(original: Path, destination: str, tmp_path: Path) -> None:
    copy_archive(original, destination)
    before = read_all(destination)
    copy_archive(destination, tmp_path / "second.db", progress=build_late_writer(destination))
    assert read_all(tmp_path / "second.db") == before
    assert read_all(destination) != before


def test_tables_are_exported_as_of_one_moment(original: Path, destination: str, tmp_path: Path) -> None:
    copy_archive(original, destination)
    with Archive.open(destination) as archive:
        archive.export(tmp_path / "before", all_tables=True, format="csv")
        archive.export(tmp_path / "during", all_tables=True, format="csv", progress=build_late_writer(destination))
        with archive.snapshot():
            archive.export(tmp_path / "after", all_tables=True, format="csv")
    before, during, after = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("before", "during", "after")
    )
    assert during == before
    assert after["turns.csv"] != before["turns.csv"]


def test_copy_and_back_is_the_original(original: Path, destination: str, tmp_path: Path) -> None:
    there = copy_archive(original, destination)
    back = copy_archive(destination, tmp_path / "back.db")
    assert there.sha256 == back.sha256
    assert read_all(tmp_path / "back.db") == read_all(original)


def test_recordings_stay_where_they_are(original: Path, destination: str) -> None:
    copy_archive(original, destination)
    with Archive.open(destination) as archive:
        (path,) = [each.recording.path for each in archive.records() if each.recording is not None]
    assert path == (original.parent.resolve() / "audio/one.mp3").as_uri()


def test_interrupted_copy_continues(original: Path, destination: str) -> None:
    def interrupt(count: int) -> None:
        if count == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_archive(original, destination, progress=interrupt)
    assert copy_archive(original, destination).copied == 4
    assert read_all(destination) == read_all(original)


def test_a_changed_document_is_copied_again(original: Path, destination: str) -> None:
    copy_archive(original, destination)
    with ArchiveWriter(original, SOURCE) as writer:
        raw = b'{"conversation_id": "new", "agent_id": "a", "status": "done", "transcript": [], "metadata": {}}'
        writer.store([decode_update(ConversationSummary(conversation_id="new"), raw)])
        (changed,) = writer.find_newest(1)
        writer.store(
            [decode_update(ConversationSummary(conversation_id=changed), raw.replace(b"new", changed.encode()))]
        )
    assert copy_archive(original, destination).copied == 2
    assert read_all(destination) == read_all(original)


def test_conversations_of_another_service_are_refused(original: Path, destination: str) -> None:
    with ArchiveWriter(destination, "https://api.eu.elevenlabs.io") as writer:
        raw = b'{"conversation_id": "here", "agent_id": "a", "status": "done", "transcript": [], "metadata": {}}'
        writer.store([decode_update(ConversationSummary(conversation_id="here"), raw)])
    with pytest.raises(ArchiveError, match="contains conversations from"):
        copy_archive(original, destination)


def test_a_copy_onto_itself_is_refused(original: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="must be another archive"):
        copy_archive(original, str(original))


def test_a_document_that_does_not_arrive_is_an_error(original: Path, tmp_path: Path) -> None:
    destination = tmp_path / "copy.db"
    ArchiveWriter(destination, SOURCE).close()
    with closing(sqlite3.connect(destination)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER breaks AFTER INSERT ON conversations BEGIN"
            " UPDATE conversations SET raw = x'00' WHERE conversation_id = new.conversation_id; END"
        )
    with pytest.raises(ArchiveError, match="differs from the original"):
        copy_archive(original, destination)


async def test_harvest_into_a_copy_fetches_only_what_is_new(destination: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    async with FakeConvAI(conversations=30) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        await harvest(client, path)
        copy_archive(path, destination)
        report = await harvest(client, destination)
    assert (report.fetched, report.failed) == (0, 0)
