"""Deleted conversations leave no bytes anywhere, and nothing else is deleted."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from archives import import_file, rows
from threaded_service import ThreadedService

from convai_async import steps
from convai_async.archive import Archive, ArchiveError, Failure
from convai_async.archive._recordings import FOLDER, get_file_name, is_recording, make_folder, remove_partial
from convai_async.archive._records import ConversationUpdate, Recording, RecordingUpdate, decode_update
from convai_async.archive._schema._tables import FACT_TABLES
from convai_async.archive._writer import ArchiveWriter
from convai_async.cli._app import run
from convai_async.errors import InvalidArgumentError
from convai_async.harvest import harvest
from convai_async.models import Conversation, ConversationSummary
from convai_async.testing import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import web

    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI
    from convai_async.testing.faults import Proceed

SOURCE = "https://api.elevenlabs.io"


def said(conversation_id: str, message: str = "hello") -> ConversationUpdate:
    document = {"conversation_id": conversation_id, "transcript": [{"role": "user", "message": message}]}
    result = decode_update(ConversationSummary(conversation_id=conversation_id), msgspec.json.encode(document))
    assert isinstance(result, ConversationUpdate)
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
def test_import_refuses_recordings_outside_the_audio_folder(archive: Path, path: str | bytes) -> None:
    file = exported(archive.with_name("a.jsonl"), audio=[path, 1, "a", "b"])
    with pytest.raises(ArchiveError, match=r"^line 1 of .*a\.jsonl' names no recording of its conversation: "):
        import_file(archive, file)


@pytest.mark.parametrize("path", NO_RECORDINGS)
def test_file_outside_the_audio_folder_is_not_removed(archive: Path, path: str | bytes) -> None:
    assert not is_recording("c", path)
    victim = archive.parent.parent / "victim"
    victim.touch()
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c")])
        connection: Any = writer._connection
        with connection:
            connection.execute("INSERT INTO audio VALUES ('c', ?, 1, 'a', 'b')", (path,))
        assert writer.remove(["c"]) == 1
    assert victim.exists()


def test_files_of_a_killed_harvest_without_a_row_are_erased(archive: Path) -> None:
    audio = archive.parent / "audio"
    own = [audio / "c.mp3", audio / ".c.mp3.1a2b3c4d.part", audio / f".{get_file_name('d' * 300)[:100]}.x.part"]
    others = [audio / name for name in ("c2.mp3", ".c2.mp3.1a2b3c4d.part", ".c.mp3.more.mp3.1a2b3c4d.part")]
    for file in (*own, *others):
        file.touch()
    (audio / "directory.mp3").mkdir()
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c")])
        assert writer.remove(["c", "d" * 300, "directory"]) == 1
    assert sorted(audio.iterdir()) == sorted([*others, audio / "directory.mp3"])


def test_archive_behind_a_symbolic_link_is_locked_and_erased_at_its_target(archive: Path) -> None:
    link = archive.parent.parent / "link.db"
    archive.touch()
    link.symlink_to(archive)
    recording = archive.parent / "audio" / "c.mp3"
    recording.touch()
    with ArchiveWriter(link, SOURCE) as writer:
        with pytest.raises(ArchiveError, match="another process is writing"):
            ArchiveWriter(archive, SOURCE)
        writer.store([said("c"), RecordingUpdate("c", Recording("audio/c.mp3", 0, "x", "audio/mpeg"))])
        writer.remove(["c"])
    assert not recording.exists()


def test_deletion_reports_bytes_that_a_reader_keeps_in_the_log(archive: Path) -> None:
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c", "my secret hamster")])
        reader = sqlite3.connect(archive)
        reader.execute("BEGIN")
        reader.execute("SELECT raw FROM conversations").fetchall()
        writer._connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(ArchiveError, match=r"removed from .* still in its log, .* run the same command again"):
            writer.remove(["c"])
        reader.close()
        assert writer.remove(["c"]) == 0
        assert b"hamster" not in b"".join(path.read_bytes() for path in archive.parent.glob("calls.db*"))


@pytest.mark.parametrize("problem", ["is none", "is of another service", "is being written to"])
def test_nothing_is_deleted_at_the_service_if_the_archive_cannot_be_locked(
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
                    assert run(arguments) == 1
            if problem == "is of another service":
                assert run(arguments) == 2
        assert len(service.conversations) == 3
        assert service.requests == []


def test_long_id_gives_a_short_unique_file_name() -> None:
    ids = ["x" * 300, "x" * 299 + "y", "é" * 100, "conv_1", "..", "a/b"]
    names = [get_file_name(each) for each in ids]
    assert len(set(names)) == len(ids)
    assert max(map(len, names)) < 210
    assert names[3:] == ["conv_1.mp3", "...mp3", "a%2Fb.mp3"]
    assert all(is_recording("c", f"audio/{name}") for name in names)


async def test_harvest_keeps_temporary_recordings_of_another_archive(
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


def test_audio_folder_is_private_and_old_temporary_files_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    make_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    own, of_another = folder / ".c.mp3.x.part", folder / ".other.mp3.x.part"
    own.touch()
    of_another.touch()
    remove_partial(folder, ["c"])
    assert list(folder.iterdir()) == [of_another]


def test_dangling_link_instead_of_a_recording_is_removed(archive: Path) -> None:
    link = archive.parent / FOLDER / "c.mp3"
    link.symlink_to("nowhere")
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.remove(["c"])
    assert not link.is_symlink()


def test_files_beside_an_archive_are_private_and_removed_on_close(
    archive: Path,
) -> None:
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c")])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in archive.parent.glob("calls.db*")}
    assert modes.keys() >= {"calls.db", "calls.db.lock"}
    assert set(modes.values()) == {0o600}
    with pytest.raises(ArchiveError, match="not from https://other"):
        ArchiveWriter(archive, "https://other")
    assert sorted(path.name for path in archive.parent.iterdir()) == ["audio", "calls.db", "calls.db.lock"]


def test_device_is_not_an_archive() -> None:
    with pytest.raises(ArchiveError, match="'/dev/null' is not a regular file: choose another"):
        ArchiveWriter("/dev/null", SOURCE)


def test_unusable_lock_file_is_not_reported_as_a_busy_archive(archive: Path) -> None:
    lock = archive.with_name("calls.db.lock")
    lock.write_bytes(b"my thesis" * 100)
    with pytest.raises(ArchiveError, match=r"calls\.db\.lock' is not a convai archive"):
        ArchiveWriter(archive, SOURCE)
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(ArchiveError, match=r"calls\.db\.lock': disk I/O error"):
        ArchiveWriter(archive, SOURCE)


SECRET = b"hamster"


def bytes_of(archive: Path) -> bytes:
    """Return what is in the file, and in what SQLite keeps beside it."""
    return b"".join(path.read_bytes() for path in archive.parent.glob("calls.db*"))


def keep_removed_words(archive: Path) -> None:
    """Let the search index merge its parts only when it is optimized: otherwise that depends on the transactions."""
    with closing(sqlite3.connect(archive, isolation_level=None)) as connection:
        for option, value in (("automerge", 0), ("crisismerge", 1_000)):
            connection.execute("INSERT INTO turns_search (turns_search, rank) VALUES (?, ?)", (option, value))


def harvest_with_a_secret(service: FakeConvAI, archive: Path, count: int = 4) -> list[str]:
    """Harvest, and then delete at the service the conversations in which a secret was said; return their ids."""
    deleted = list(service.conversations)[:count]

    def tell(document: Any) -> None:
        if document["conversation_id"] in deleted:
            document["transcript"].append({"role": "user", "message": f"my {SECRET.decode()}"})

    service.faults.add(faults.change(tell), operation="get_conversation", times=None)
    assert run(["harvest", str(archive), "--base-url", service.url]) == 0
    service.faults.clear()
    keep_removed_words(archive)
    assert SECRET in bytes_of(archive)
    for each in deleted:
        service.conversations.remove(each)
    return deleted


async def _no_recording(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return await proceed()


def _ctrl_c_twice(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while b"Ctrl-C again" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)


INTERRUPTIONS: dict[str, Callable[[subprocess.Popen[bytes]], None]] = {
    "SIGKILL": lambda process: process.kill(),
    "SIGHUP": lambda process: process.send_signal(signal.SIGHUP),
    "Ctrl-C twice": _ctrl_c_twice,
}
PRUNE = ["--prune", "remove", "--lookback", "10000"]


def count_of(archive: Path, ids: list[str]) -> int:
    with closing(sqlite3.connect(archive)) as connection:
        places = ", ".join("?" * len(ids))
        query = f"SELECT count(*) FROM conversations WHERE conversation_id IN ({places})"
        return int(connection.execute(query, ids).fetchone()[0])


def listen_to_hangups() -> None:
    """Do not ignore SIGHUP, also if the tests run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def interrupt_pruning(archive: Path, service: FakeConvAI, deleted: list[str], how: str) -> None:
    """Remove conversations with a harvest that is interrupted after that, while it saves recordings."""
    arguments = ["harvest", str(archive), "--base-url", service.url, "--audio", *PRUNE]
    if how == "revoked key":
        service.faults.add(faults.status(401), operation="get_audio", times=None)
        assert run(arguments) != 0
        assert count_of(archive, deleted) == 0
        return
    service.faults.add(_no_recording, operation="get_audio", times=None)
    command = [sys.executable, "-m", "convai_async", *arguments]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=listen_to_hangups,  # noqa: PLW1509 - it takes no lock
    ) as process:
        try:
            while count_of(archive, deleted):
                assert process.poll() is None
                time.sleep(0.02)
            INTERRUPTIONS[how](process)
            process.communicate()
        finally:
            process.kill()
    assert process.returncode != 0


@pytest.mark.parametrize(
    ("how", "next_command"),
    [("SIGKILL", "delete"), ("SIGHUP", "harvest"), ("Ctrl-C twice", "import"), ("revoked key", "harvest")],
)
def test_interrupted_removal_is_completed_by_the_next_write(
    archive: Path, how: str, next_command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadedService(conversations=130) as service:
        monkeypatch.setenv("ELEVENLABS_API_KEY", service.api_key)
        deleted = harvest_with_a_secret(service, archive)
        interrupt_pruning(archive, service, deleted, how)
        assert SECRET in bytes_of(archive), "or there is nothing left to do"
        service.faults.clear()
        address = ["--base-url", service.url]
        commands = {
            "harvest": ["harvest", str(archive), *address],
            "delete": ["delete", "conv_none", "--yes", "--archive", str(archive), *address],
            "import": ["import", str(archive), str(exported(archive.with_name("a.jsonl"), source=service.url))],
        }
        assert run(commands[next_command]) == 0
    assert SECRET not in bytes_of(archive)


def test_successful_harvest_leaves_no_bytes_of_removed_conversations(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadedService(conversations=30) as service:
        monkeypatch.setenv("ELEVENLABS_API_KEY", service.api_key)
        deleted = harvest_with_a_secret(service, archive)
        assert run(["harvest", str(archive), "--base-url", service.url, *PRUNE]) == 0
    assert count_of(archive, deleted) == 0
    assert SECRET not in bytes_of(archive)


def test_message_that_a_new_version_does_not_have_is_erased(archive: Path) -> None:
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c", f"my {SECRET.decode()}"), said("other", "hello")])
    keep_removed_words(archive)
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c", "[redacted]"), said("new", "hello")])
        writer.scrub()
    assert SECRET not in bytes_of(archive)
    assert rows(archive, "SELECT scrub_due FROM archive") == [(0,)]


def test_scrub_blocked_by_a_reader_stays_due(
    archive: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("convai_async.archive._sqlite._database.BUSY_TIMEOUT_SECS", 0.01)
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c", f"my {SECRET.decode()}")])
    with closing(sqlite3.connect(archive)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT raw FROM conversations").fetchall()
        with (
            ArchiveWriter(archive, SOURCE) as writer,
            pytest.raises(ArchiveError, match="another program is reading it"),
        ):
            writer.remove(["c"])
        ArchiveWriter(archive, SOURCE).close()  # opens all the same
        assert "another program is reading it" in caplog.text
        assert SECRET in bytes_of(archive)
    ArchiveWriter(archive, SOURCE).close()
    assert SECRET not in bytes_of(archive)


def test_failure_with_the_conversation_s_text_is_removed_with_it(archive: Path) -> None:
    summary = ConversationSummary(conversation_id="c", call_summary_title=f"a {SECRET.decode()}")
    unreadable = b'{"conversation_id":"c","call_summary_title":"a hamster","rating":"x"}'
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([Failure("c", "down", 1, summary=summary), Failure("other", "down", 1)])
        for number, listed in enumerate([unreadable, unreadable.replace(b"c", b"d"), None]):
            writer._connection.execute(
                "INSERT INTO failures VALUES (?, 'list', 'e', 1, 1, ?)", (f"line:{number}", listed)
            )
        assert writer.remove(["c"]) == 0
        rows = writer._connection.execute("SELECT conversation_id FROM failures ORDER BY 1").fetchall()
        assert rows == [("line:1",), ("line:2",), ("other",)]


def test_facts_of_a_removed_conversation_are_erased(archive: Path) -> None:
    word = SECRET.decode()
    criterion = {"c": {"criteria_id": "c", "result": "success", "rationale": f"c {word}"}}
    tokens = {"input": {"tokens": 5, "price": 0.1}}
    document = {
        "conversation_id": "c",
        "tag_ids": [f"t {word}"],
        "metadata": {
            "feedback": {"comment": f"f {word}"},
            "error": {"code": 1, "reason": f"e {word}"},
            "phone_call": {"type": "twilio", "external_number": f"+1 {word}"},
            "charging": {"llm_usage": {"initiated_generation": {"model_usage": {f"m {word}": tokens}}}},
        },
        "analysis": {
            "evaluation_criteria_results": criterion,
            "data_collection_results": {"d": {"data_collection_id": "d", "value": [f"v {word}"]}},
        },
        "conversation_initiation_client_data": {"dynamic_variables": {"name": f"n {word}"}},
        "transcript": [
            {
                "role": "agent",
                "message": "hello",
                "original_message": f"o {word}",
                "conversation_turn_metrics": {"metrics": {f"x {word}": {"elapsed_time": 1.5}}},
                "rag_retrieval_info": {"retrieval_query": f"q {word}", "chunks": [{"document_id": f"k {word}"}]},
                "tool_calls": [{"request_id": "r", "tool_details": {"type": "webhook", "url": f"u {word}"}}],
            }
        ],
    }
    update = decode_update(ConversationSummary(conversation_id="c"), msgspec.json.encode(document))
    assert isinstance(update, ConversationUpdate)
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([update, said("other")])
        for table in FACT_TABLES:
            (count,) = writer._connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
            assert count, table.name
        assert writer.remove(["c"]) == 1
        for table in FACT_TABLES:
            (count,) = writer._connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
            assert not count, table.name
    assert SECRET not in bytes_of(archive)


async def test_results_and_errors_of_steps_are_erased_with_their_conversation(archive: Path) -> None:
    @steps.step("quote", version=1)
    def quote(conversation: Conversation) -> str:
        if conversation.conversation_id == "d":
            raise ValueError(f"d {SECRET.decode()}")
        return f"{conversation.conversation_id} {SECRET.decode()}"

    with ArchiveWriter(archive, SOURCE) as writer:
        updates = [said("c"), said("d"), said("changed")]
        writer.store([msgspec.structs.replace(each, row={**each.row, "status": "done"}) for each in updates])
        await steps.run_steps(archive, [quote])
        found = bytes_of(archive)
        assert all(word in found for word in (b"c hamster", b"d hamster", b"changed hamster"))
        writer.store([said("changed", "another")])
        assert writer.remove(["c", "d"]) == 2
    assert SECRET not in bytes_of(archive)


def test_id_that_could_not_be_deleted_is_not_stored(archive: Path) -> None:
    with Archive.open(archive, create=True, source=SOURCE) as opened:
        opened.add(Conversation(conversation_id="conv_1", agent_id="agent_1"))
        with pytest.raises(InvalidArgumentError, match="characters that are not valid"):
            opened.add(Conversation(conversation_id="conv_\0", agent_id="agent_1"))
        file = exported(archive.with_name("x.jsonl"), conversation_id="c\0", conversation={"conversation_id": "c\0"})
        with pytest.raises(ArchiveError, match="has an id with a NUL"):
            opened.import_(file)
        assert opened.status().conversations == 1


def test_stored_conversation_with_a_nul_in_its_id_can_be_deleted(archive: Path) -> None:
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([said("c\0d", SECRET.decode()), said("c")])
    with Archive.open(archive) as opened:
        assert opened.delete(["c\0d"]) == 1
        assert opened.status().conversations == 1
    assert SECRET not in bytes_of(archive)
