"""A randomly damaged archive is read in part or raises `ArchiveError`; nothing hangs.

``FUZZ_INPUTS=1000000 pytest tests/robustness/test_fuzz_archive.py -rP``
damages five thousand archives, and says how many of
the readings succeeded; the ordinary run is a slice of that.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ConvAIClient
from convai_async.archive import Archive, ArchiveError
from convai_async.errors import ConvAIError
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAMAGES = int(os.environ.get("FUZZ_INPUTS", "20000")) // 200
PAGE = 4096
SECONDS = 10
"""Reading a small archive takes less."""

pytestmark = pytest.mark.timeout(300 + DAMAGES // 10)

READINGS: dict[str, Callable[[Archive, str], Any]] = {
    "status": lambda archive, _: archive.status(),
    "failures": lambda archive, _: archive.failures(),
    "conversations": lambda archive, _: bounded(archive.conversations()),
    "records": lambda archive, _: bounded(archive.records(since=1)),
    "rows of conversations": lambda archive, _: bounded(archive.rows("conversations")),
    "rows of turns": lambda archive, _: bounded(archive.rows("turns", agent_id="agent_billing")),
    "rows of tool calls": lambda archive, _: bounded(archive.rows("tool_calls")),
    "get_rows": lambda archive, conversation_id: archive.get_rows("turns", conversation_id),
    "search": lambda archive, _: bounded(archive.search("refund OR the* a*")),
    "get": lambda archive, conversation_id: archive.get(conversation_id),
    "get_raw": lambda archive, conversation_id: archive.get_raw(conversation_id),
}


def bounded(items: Iterator[Any]) -> None:
    started = time.process_time()
    for _ in items:
        assert time.process_time() - started < SECONDS, "it does not end"


@pytest.fixture
async def intact(tmp_path: Path) -> bytes:
    """An archive with conversations, recordings, failures and runs."""
    path = tmp_path / "intact.db"
    async with (
        FakeConvAI(conversations=12, audio_bytes=10) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client,
    ):
        fake.faults.add(faults.status(500), operation="get_conversation", times=1)
        await harvest(client, path, audio=True)
    return path.read_bytes()


def damaged(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    pages = len(content) // PAGE
    match rng.choice(("flip", "flip", "flip in the schema", "zero", "swap", "noise", "cut")):
        case "flip":
            for _ in range(rng.choice((1, 10, 100, 1000))):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        case "flip in the schema":
            for _ in range(rng.choice((1, 3))):
                damaged[rng.randrange(PAGE)] ^= 1 << rng.randrange(8)
        case "zero":
            for _ in range(rng.choice((1, 3))):
                start = PAGE * rng.randrange(pages)
                damaged[start : start + PAGE] = bytes(PAGE)
        case "swap":
            one, other = (PAGE * rng.randrange(1, pages) for _ in range(2))
            damaged[one : one + PAGE] = content[other : other + PAGE]
            damaged[other : other + PAGE] = content[one : one + PAGE]
        case "noise":
            start = rng.randrange(len(damaged))
            damaged[start : start + 200] = rng.randbytes(200)
        case "cut":
            del damaged[rng.randrange(len(damaged)) :]
    return bytes(damaged)


def succeeds(path: Path, reading: Callable[[Archive, str], Any], conversation_id: str) -> bool:
    """Tell whether a reading does, and make sure that it ends."""
    deadline = time.process_time() + SECONDS
    try:
        with Archive.open(path) as archive:
            connection: Any = archive._connection
            connection.set_progress_handler(lambda: time.process_time() > deadline, 100_000)
            reading(archive, conversation_id)
    except ConvAIError:
        return False
    finally:
        assert time.process_time() < deadline, "it does not end"
    return True


def changed(intact: bytes, path: Path, change: str) -> str:
    """Write an archive in which a statement changed something, and return the id of a conversation."""
    path.write_bytes(intact)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(change)
        connection.commit()
        return str(connection.execute("SELECT min(conversation_id) FROM conversations").fetchone()[0])


def test_randomly_damaged_archive_is_read_or_raises_archive_error(intact: bytes, tmp_path: Path) -> None:
    rng = random.Random("archive")
    conversation_id = changed(intact, tmp_path / "calls.db", "ANALYZE")
    counts = dict.fromkeys(READINGS, 0)
    for number in range(DAMAGES):
        path = tmp_path / f"{number}.db"
        path.write_bytes(damaged(intact, rng))
        for name, reading in READINGS.items():
            counts[name] += succeeds(path, reading, conversation_id)
        path.unlink()
    print(f"{DAMAGES:,} archives, read without an error: {counts}")
    assert all(0 < count < DAMAGES for count in counts.values())


@pytest.mark.parametrize("name", READINGS)
def test_intact_archive_is_read_without_error(name: str, intact: bytes, tmp_path: Path) -> None:
    conversation_id = changed(intact, tmp_path / "calls.db", "ANALYZE")
    assert succeeds(tmp_path / "calls.db", READINGS[name], conversation_id)


def test_schema_that_is_not_text_raises_archive_error(intact: bytes, tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    path.write_bytes(intact.replace(b"CREATE TABLE turns (", b"CREATE TABLE [\xffrns ("))
    with pytest.raises(ArchiveError), Archive.open(path) as archive:
        archive.status()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("UPDATE runs SET report = '{'", "status"),
        ("DELETE FROM archive", "status"),
        ("UPDATE windows SET end_unix_secs = 'x'", "status"),
        ("UPDATE conversations SET raw = 'text'", "get_raw"),
        ("UPDATE conversations SET raw = 5", "get_raw"),
        ("UPDATE conversations SET raw = 1 << 60", "get_raw"),
    ],
)
def test_value_of_a_wrong_type_raises_archive_error(change: str, name: str, intact: bytes, tmp_path: Path) -> None:
    conversation_id = changed(intact, tmp_path / "calls.db", change)
    with pytest.raises(ArchiveError), Archive.open(tmp_path / "calls.db") as archive:
        READINGS[name](archive, conversation_id)
