"""What is erased is gone, from wherever it was; and nothing else is."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from threaded_service import ThreadedService

from convai_async.audio import SavedAudio
from convai_async.cli._app import run
from convai_async.harvest import ArchiveError, harvest
from convai_async.harvest._recordings import file_name, is_recording
from convai_async.harvest._rows import Fetched, Recorded, decoded
from convai_async.harvest._writer import ArchiveWriter
from convai_async.harvest.export import import_jsonl
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

SOURCE = "https://api.elevenlabs.io"


def said(conversation_id: str, message: str = "hello") -> Fetched:
    document = {"conversation_id": conversation_id, "transcript": [{"role": "user", "message": message}]}
    result = decoded(ConversationSummary(conversation_id=conversation_id), msgspec.json.encode(document))
    assert isinstance(result, Fetched)
    return result


def exported(file: Path, **changes: Any) -> Path:
    """Write an exported file of one conversation."""
    line = {"source": SOURCE, "conversation_id": "c", "fetched_unix_secs": 1, "conversation": {"conversation_id": "c"}}
    file.write_bytes(msgspec.json.encode(line | changes) + b"\n")
    return file


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "audio").mkdir(parents=True)
    return folder / "calls.db"


NO_RECORDINGS = [
    "../victim",
    "audio/../../victim",
    "audio/..",
    "audio/",
    "audio",
    "/etc/victim",
    "audio\\victim",
    "audio/a\0b",
    f"audio/{'x' * 300}",
    "victim",
    "audio/more/victim",
    b"victim",
]


@pytest.mark.parametrize("path", NO_RECORDINGS)
def test_an_import_takes_no_recording_from_outside_its_folder(archive: Path, path: str | bytes) -> None:
    file = exported(archive.with_name("a.jsonl"), audio=[path, 1, "a", "b"])
    with pytest.raises(ArchiveError, match=r"^line 1 of .*a\.jsonl' names no recording in audio/: "):
        import_jsonl(archive, file)


@pytest.mark.parametrize("path", NO_RECORDINGS)
def test_what_a_stranger_s_archive_names_outside_its_folder_is_not_removed(archive: Path, path: str | bytes) -> None:
    assert not is_recording(path)
    victim = archive.parent.parent / "victim"
    victim.touch()
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c")])
        with writer._connection as connection:
            connection.execute("INSERT INTO audio VALUES ('c', ?, 1, 'a', 'b')", (path,))
        assert writer.forget(["c"]) == 1
    assert victim.exists()


def test_what_a_killed_harvest_left_without_a_row_is_erased_too(archive: Path) -> None:
    audio = archive.parent / "audio"
    own = [audio / "c.mp3", audio / ".c.mp3.1a2b3c4d.part", audio / f".{file_name('d' * 300)[:100]}.x.part"]
    others = [audio / name for name in ("c2.mp3", ".c2.mp3.1a2b3c4d.part", ".c.mp3.more.mp3.1a2b3c4d.part")]
    for file in (*own, *others):
        file.touch()
    (audio / "directory.mp3").mkdir()
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c")])
        assert writer.forget(["c", "d" * 300, "directory"]) == 1
    assert sorted(audio.iterdir()) == sorted([*others, audio / "directory.mp3"])


def test_an_archive_that_a_link_leads_to_is_locked_and_erased_where_it_is(archive: Path) -> None:
    link = archive.parent.parent / "link.db"
    archive.touch()
    link.symlink_to(archive)
    recording = archive.parent / "audio" / "c.mp3"
    recording.touch()
    with ArchiveWriter(link, SOURCE) as writer:
        with pytest.raises(ArchiveError, match="another process is writing"):
            ArchiveWriter(archive, SOURCE)
        writer.store([said("c"), Recorded("c", SavedAudio(recording, 0, "x", "audio/mpeg"))])
        writer.forget(["c"])
    assert not recording.exists()


def test_erased_words_that_a_reader_keeps_in_the_log_are_said_to_be_there(archive: Path) -> None:
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c", "my secret hamster")])
        reader = sqlite3.connect(archive)
        reader.execute("BEGIN")
        reader.execute("SELECT raw FROM conversations").fetchall()
        writer._connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(ArchiveError, match=r"removed from .* still in its log, .* run the same command again"):
            writer.forget(["c"])
        reader.close()
        assert writer.forget(["c"]) == 0
        assert b"hamster" not in b"".join(path.read_bytes() for path in archive.parent.glob("calls.db*"))


@pytest.mark.parametrize("problem", ["is none", "is of another service", "is being written to"])
def test_where_the_archive_cannot_be_erased_from_nothing_is_deleted_at_the_service(
    archive: Path, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadedService(conversations=3) as service:
        monkeypatch.setenv("ELEVENLABS_API_KEY", service.api_key)
        arguments = ["delete", *service.conversations, "--yes", "--archive", str(archive), "--base-url", service.url]
        if problem == "is none":
            assert run(arguments) == 2
            archive.touch()
            assert run(arguments) == 2
        else:
            source = SOURCE if problem == "is of another service" else service.url
            with ArchiveWriter(archive, source) as writer:
                writer.store([said(each) for each in service.conversations])
                if problem == "is being written to":
                    assert run(arguments) == 2
            if problem == "is of another service":
                assert run(arguments) == 2
        assert len(service.conversations) == 3
        assert service.requests == []


def test_a_long_id_gives_a_short_name_of_its_own() -> None:
    ids = ["x" * 300, "x" * 299 + "y", "é" * 100, "conv_1", "..", "a/b"]
    names = [file_name(each) for each in ids]
    assert len(set(names)) == len(ids)
    assert max(map(len, names)) < 210
    assert names[3:] == ["conv_1.mp3", "...mp3", "a%2Fb.mp3"]
    assert all(is_recording(f"audio/{name}") for name in names)


async def test_a_harvest_removes_no_recording_that_another_archive_s_is_saving(
    archive: Path, client: ConvAIClient, fake: FakeConvAI
) -> None:
    audio = archive.parent / "audio"
    of_another, left_behind, folder = (audio / name for name in (".other.mp3.x.part", ".old.mp3.x.part", ".x.part"))
    of_another.touch()
    left_behind.touch()
    day_before_yesterday = time.time() - 2 * 86_400
    os.utime(left_behind, (day_before_yesterday, day_before_yesterday))
    folder.mkdir()
    await harvest(client, archive, audio=True, limit=1)
    assert of_another.exists()
    assert folder.is_dir()
    assert not left_behind.exists()


def test_what_lies_beside_an_archive_is_its_owner_s_only_and_the_rest_goes_with_the_writer(
    archive: Path,
) -> None:
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c")])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in archive.parent.glob("calls.db*")}
    assert modes.keys() >= {"calls.db", "calls.db.lock"}
    assert set(modes.values()) == {0o600}
    with pytest.raises(ArchiveError, match="not of https://other"):
        ArchiveWriter(archive, "https://other")
    assert sorted(path.name for path in archive.parent.iterdir()) == ["audio", "calls.db", "calls.db.lock"]


def test_a_device_is_no_archive() -> None:
    with pytest.raises(ArchiveError, match="'/dev/null' is no regular file: name another"):
        ArchiveWriter("/dev/null", SOURCE)


def test_a_lock_that_cannot_be_taken_is_not_called_a_busy_archive(archive: Path) -> None:
    lock = archive.with_name("calls.db.lock")
    lock.write_bytes(b"my thesis" * 100)
    with pytest.raises(ArchiveError, match=r"calls\.db\.lock' exists and is no archive"):
        ArchiveWriter(archive, SOURCE)
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(ArchiveError, match=r"calls\.db\.lock': disk I/O error"):
        ArchiveWriter(archive, SOURCE)
