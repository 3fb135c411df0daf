"""Several processes write to one archive: short writes wait for each other, and harvests exclude each other.

``WRITERS_SECS=12 pytest -m slow tests/robustness/test_concurrent_writers.py`` takes more of it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from convai_async import ConvAIClient
from convai_async.archive import Archive, ArchiveBusyError, ArchiveError, store_conversation
from convai_async.archive._writer import ArchiveWriter
from convai_async.harvest import harvest
from convai_async.models import Conversation
from convai_async.testing import FakeConvAI

SCRIPT = Path(__file__).parents[1] / "support/writers.py"
SECS = os.environ.get("WRITERS_SECS", "1")
SOURCE = "https://api.elevenlabs.io"
PROCESSES = 6


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


def start(job: str, path: Path) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, str(SCRIPT), job]
    return [
        subprocess.Popen([*command, str(number), str(path), SECS, SOURCE], stdout=subprocess.PIPE)
        for number in range(PROCESSES)
    ]


def results(processes: list[subprocess.Popen[bytes]]) -> list[dict[str, int]]:
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    return [json.loads(output) for output in outputs]


def ids_in(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {each for (each,) in connection.execute("SELECT conversation_id FROM conversations")}


@pytest.mark.slow
async def test_webhooks_from_six_processes_are_all_stored_during_harvests(path: Path) -> None:
    processes = start("store", path)
    async with FakeConvAI(conversations=150) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        report = await harvest(client, path, source=SOURCE, same_workspace=True)
        assert report.fetched == 150
        while any(process.poll() is None for process in processes):
            assert (await harvest(client, path, source=SOURCE)).complete
        stored = await anyio.to_thread.run_sync(results, processes)
        assert ids_in(path) == {
            *fake.conversations,
            *(f"hook_{name}_{number}" for name, each in enumerate(stored) for number in range(each["stored"])),
        }
    assert all(each["stored"] > 0 for each in stored)


@pytest.mark.slow
def test_exclusive_writers_in_six_processes_never_overlap(path: Path) -> None:
    found = results(start("open", path))
    assert sum(each["opened"] for each in found) > PROCESSES
    assert sum(each["met"] for each in found) == 0
    assert path.with_name("calls.db.lock").exists()


def test_threads_storing_beside_a_reader_keep_the_locks_of_other_connections(path: Path) -> None:
    ArchiveWriter(path, SOURCE).close()
    errors: list[BaseException] = []

    def store(name: str) -> None:
        try:
            for number in range(10):
                store_conversation(path, Conversation(conversation_id=f"{name}_{number}"), source=SOURCE)
                with Archive.open(path) as archive:
                    archive.status()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=store, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(ids_in(path)) == 60


def test_failed_attempt_in_the_same_process_does_not_free_the_lock(path: Path) -> None:
    # A process that closes any descriptor of a file loses all of its POSIX locks on it.
    code = f"from convai_async.archive._writer import ArchiveWriter; ArchiveWriter({str(path)!r}, {SOURCE!r})"
    with ArchiveWriter(path, SOURCE):
        with pytest.raises(ArchiveBusyError):
            ArchiveWriter(path, SOURCE)
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ArchiveBusyError" in other.stderr


def test_webhook_that_waited_too_long_gets_a_retryable_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convai_async.archive._sqlite._database.BUSY_TIMEOUT_SECS", 0.1)
    with ArchiveWriter(path, SOURCE) as writer:
        writer._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArchiveBusyError, match=r"other processes have locked .*calls\.db.* try again later") as e:
            store_conversation(path, Conversation(conversation_id="c"), source=SOURCE)
        writer._connection.rollback()
    assert e.value.retryable


def test_hard_link_is_refused_for_writing(path: Path) -> None:
    ArchiveWriter(path, SOURCE).close()
    other = path.with_name("other.db")
    other.hardlink_to(path)
    for each in (path, other):
        with pytest.raises(ArchiveError, match=r"has a second name \(a hard link\).* Remove the other name"):
            ArchiveWriter(each, SOURCE)
        with pytest.raises(ArchiveError, match="hard link"):
            store_conversation(each, Conversation(conversation_id="c"), source=SOURCE)
    other.unlink()
    ArchiveWriter(path, SOURCE).close()


@pytest.mark.parametrize("kind", ["moved", "moved away", "removed", "replaced", "folder moved"])
async def test_archive_moved_during_a_harvest_is_an_error_that_says_where_it_is(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    path, moved = folder / "calls.db", folder / "moved.db"

    def lose() -> None:
        if kind == "folder moved":
            folder.rename(tmp_path / "elsewhere")
        elif kind == "moved away":
            path.rename(tmp_path / "elsewhere.db")
        elif kind == "removed":
            path.unlink()
        else:
            path.rename(moved)
        if kind == "replaced":
            path.write_bytes(b"something else")

    fetched: list[int] = []

    def look(report: object) -> None:
        count = int(getattr(report, "fetched"))  # noqa: B009
        if count and not fetched:
            fetched.append(count)
            lose()

    async with FakeConvAI(conversations=300) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        with pytest.raises(ArchiveError) as caught:
            await harvest(client, path, progress=look)
    said = str(caught.value)
    assert f"{str(path)!r} was moved, removed or replaced while it was being written" in said
    assert ("another file is at" in said) is (kind == "replaced")
    if kind in {"moved", "replaced"}:
        assert f"it is now {str(moved)!r}, with everything that was written" in said
        assert len(ids_in(moved)) == fetched[0]
        assert kind == "moved" or path.read_bytes() == b"something else"
    else:
        assert "it was removed, or moved to another folder" in said
    assert not path.with_name("calls.db-wal").exists() or path.with_name("calls.db-wal").stat().st_size == 0


@pytest.mark.parametrize("write", ["end_run", "exit"])
def test_archive_moved_at_the_end_is_noticed(path: Path, write: str) -> None:
    def use() -> None:
        with ArchiveWriter(path, SOURCE) as writer:
            run = writer.begin_run()
            path.unlink()
            if write == "end_run":
                writer.end_run(run, {})
                pytest.fail("the end of the run did not notice")

    with pytest.raises(ArchiveError, match="was moved, removed or replaced"):
        use()
