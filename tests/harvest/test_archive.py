from __future__ import annotations

import sqlite3
import stat
from typing import TYPE_CHECKING

import msgspec
import pytest

from convai_async.harvest import Archive, ArchiveError, Failure
from convai_async.harvest._rows import Fetched
from convai_async.harvest._schema import SCHEMA_VERSION
from convai_async.models import Conversation, ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = "https://api.elevenlabs.io"


def fetched(conversation_id: str, *messages: str, status: str = "done", has_audio: bool = False) -> Fetched:
    raw = msgspec.json.encode(
        {
            "conversation_id": conversation_id,
            "status": status,
            "has_audio": has_audio,
            "transcript": [{"role": "user", "message": message} for message in messages],
        }
    )
    return Fetched(ConversationSummary(conversation_id=conversation_id), raw, Conversation.from_json(raw))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def archive(path: Path) -> Iterator[Archive]:
    with Archive.create(path, SOURCE) as opened:
        yield opened


def test_a_new_archive_is_empty_and_its_owner_s_only(archive: Archive, path: Path) -> None:
    status = archive.status()
    assert (status.conversations, status.turns, status.failures, status.source) == (0, 0, 0, SOURCE)
    assert (status.oldest_unix_secs, status.newest_unix_secs) == (None, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_storing_again_replaces_the_conversation_and_its_turns(archive: Archive, path: Path) -> None:
    archive.store([fetched("conv_1", "a", "b", "c")])
    archive.store([fetched("conv_1", "d")])
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT position, message FROM turns").fetchall() == [(0, "d")]
    assert connection.execute("SELECT count(*) FROM conversations").fetchall() == [(1,)]
    connection.close()


def test_the_last_of_a_batch_holds(archive: Archive) -> None:
    archive.store([fetched("conv_1", status="processing"), fetched("conv_1", status="done")])
    assert archive.final_ids(["conv_1", "conv_2"]) == {"conv_1"}


def test_a_batch_is_written_whole_or_not_at_all(archive: Archive) -> None:
    bad = msgspec.structs.replace(fetched("conv_2"), raw=None)
    with pytest.raises(ArchiveError, match="NOT NULL"):
        archive.store([fetched("conv_1", "a"), bad])
    assert archive.status().conversations == 0
    assert archive.status().turns == 0


def test_done_and_failed_are_final_and_nothing_else(archive: Archive) -> None:
    statuses = ["done", "failed", "processing", "in-progress", "initiated", "archived"]
    archive.store([fetched(status, status=status) for status in statuses])
    assert archive.final_ids(statuses) == {"done", "failed"}
    assert archive.status().final == 2


def test_a_success_forgets_the_failure(archive: Archive) -> None:
    archive.store([Failure("conv_1", "down", 3)])
    archive.store([Failure("conv_1", "still down", 2)])
    assert archive.failures() == [Failure("conv_1", "still down", 5)]
    archive.store([fetched("conv_1")])
    assert archive.failures() == []


def test_an_odd_id_is_only_data(archive: Archive) -> None:
    odd = "x'); DROP TABLE turns; --"
    archive.store([fetched(odd, "a")])
    assert archive.final_ids([odd]) == {odd}


def test_what_was_written_is_there_when_it_is_opened_again(archive: Archive, path: Path) -> None:
    archive.store([fetched("conv_1", "a")])
    archive.close()
    archive.close()
    with Archive.create(path, SOURCE) as again:
        assert again.final_ids(["conv_1"]) == {"conv_1"}
    with Archive.open(path) as reader:
        assert reader.status().turns == 1


def test_reading_works_while_another_writes(archive: Archive, path: Path) -> None:
    with Archive.open(path) as reader:
        archive.store([fetched("conv_1", "a")])
        assert reader.status().conversations == 1


def test_a_reader_cannot_write(archive: Archive, path: Path) -> None:
    with Archive.open(path) as reader, pytest.raises(ArchiveError, match="readonly"):
        reader.store([fetched("conv_1")])


@pytest.mark.parametrize("content", [b"my thesis", b"x" * 10_000, b"SQLite format 3\x00 not really"])
def test_a_file_of_another_kind_is_refused_and_left_as_it_was(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"is no archive: name another file"):
        Archive.create(path, SOURCE)
    with pytest.raises(ArchiveError, match=r"is no archive: name another file"):
        Archive.open(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_as_it_was(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match="is a database, but no archive of ours"):
        Archive.create(path, SOURCE)
    with pytest.raises(ArchiveError, match="is a database, but no archive of ours"):
        Archive.open(path)
    assert path.read_bytes() == before


def test_an_archive_of_a_newer_version_is_refused_with_what_to_do(archive: Archive, path: Path) -> None:
    archive._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    archive.close()
    with pytest.raises(ArchiveError, match="pip install -U convai-async"):
        Archive.create(path, SOURCE)
    with pytest.raises(ArchiveError, match="pip install -U convai-async"):
        Archive.open(path)


def test_an_archive_of_another_source_is_refused(archive: Archive, path: Path) -> None:
    with pytest.raises(ArchiveError, match=f"of {SOURCE}, not of https://other.example: name another file"):
        Archive.create(path, "https://other.example")


def test_odd_paths_are_refused_with_what_to_do(tmp_path: Path) -> None:
    makers: list[Callable[[Path], Archive]] = [lambda path: Archive.create(path, SOURCE), Archive.open]
    for make in makers:
        with pytest.raises(ArchiveError, match=r"is a folder: name a file in it"):
            make(tmp_path)
        with pytest.raises(ArchiveError, match=r"does not exist: make it with `mkdir -p"):
            make(tmp_path / "none" / "calls.db")
    with pytest.raises(ArchiveError, match="there is no archive"):
        Archive.open(tmp_path / "calls.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "loop.db").symlink_to("loop.db")
    with pytest.raises(ArchiveError, match=r"loop\.db' cannot be written: .*symbolic links"):
        Archive.create(tmp_path / "loop.db", SOURCE)
