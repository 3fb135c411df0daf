"""The archive survives: killed at every step that SQLite takes on its files, with the power off, and on a full disk.

``CRASH_STRIDE=1 pytest -m slow tests/robustness/test_crash_matrix.py`` takes every step in every way; CI kills at each
step too, and takes every so many of the rest. With ``-rP`` it says how many there were.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from recorded_disk import SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE, Crash, RecordedDisk, Step

from convai_async import ConvAIClient
from convai_async.archive import Archive, ArchiveError
from convai_async.archive._schema._tables import SCHEMA_VERSION
from convai_async.archive._sqlite import _fill
from convai_async.archive._writer import ArchiveWriter
from convai_async.harvest import _pipeline, harvest
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

STRIDE = int(os.environ.get("CRASH_STRIDE", "37"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 if STRIDE > 1 else 3600)]
DATA = Path(__file__).parent.parent / "data"
EVERYTHING = timedelta(days=10_000)
"""A lookback that reads the whole list again."""


class Service:
    """A service whose conversations change, and every document that it ever had."""

    def __init__(self, fake: FakeConvAI, client: ConvAIClient) -> None:
        self.fake = fake
        self.client = client
        self.documents: dict[str, set[bytes]] = {}
        self.note()

    def note(self) -> None:
        for conversation_id, document in self.truth().items():
            self.documents.setdefault(conversation_id, set()).add(document)

    def truth(self) -> dict[str, bytes]:
        return {each: self.fake.conversations.document(each) for each in self.fake.conversations}

    def change(self) -> None:
        newest, second, *_ = self.fake.conversations
        self.fake.analyse_again(newest)
        self.fake.add()
        self.fake.conversations.remove(second)
        self.note()


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    monkeypatch.setattr(_pipeline, "_LARGEST_BATCH", 3)  # more transactions
    async with FakeConvAI(conversations=8, seed=3) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        yield Service(fake, client)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def stored(path: Path) -> dict[str, bytes]:
    with reading(path) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'conversations'").fetchall():
            return {}
        return dict(connection.execute("SELECT conversation_id, raw FROM conversations"))


def check_whole(path: Path, service: Service) -> dict[str, bytes]:
    """What is there is whole: each conversation with all of its turns, and found by the search."""
    there = stored(path)
    with reading(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if there:
            connection.execute("INSERT INTO turns_search (turns_search) VALUES ('integrity-check')")
            turns = dict(connection.execute("SELECT conversation_id, count(*) FROM turns GROUP BY 1"))
            for conversation_id, raw in there.items():
                assert raw in service.documents[conversation_id]
                assert turns.get(conversation_id, 0) == len(json.loads(raw)["transcript"])
    return there


async def check_heals(path: Path, service: Service) -> None:
    """The next harvest makes it the truth."""
    report = await harvest(service.client, path, lookback=EVERYTHING, prune="remove")
    assert report.complete
    assert check_whole(path, service) == service.truth()


def crashes(
    steps: list[Step], *, stride: int, before: Mapping[str, bytes] = MappingProxyType({})
) -> Iterator[tuple[int, Crash]]:
    """Every kill, and some of the power failures."""
    for count in range(len(steps) + 1):
        yield count, Crash(steps[:count], None, before)
        if count % stride == 0:
            yield count, Crash(steps[:count], random.Random(count), before)


@contextmanager
def named(crash: Crash) -> Iterator[None]:
    """Let a failure in this block say after which step it was."""
    try:
        yield
    except Exception as error:
        error.add_note(crash.description)
        raise


async def test_harvest_after_any_crash_has_what_was_reported_and_resumes(service: Service, tmp_path: Path) -> None:
    disk = RecordedDisk(tmp_path)
    written: list[tuple[int, int]] = []
    with disk.in_use():
        path = tmp_path / "calls.db"
        await harvest(service.client, path, progress=lambda report: written.append((len(disk.steps), report.fetched)))
        service.change()
        first_run = len(disk.steps)
        await harvest(service.client, path, lookback=EVERYTHING, prune="remove")
    assert stored(path) == service.truth()
    count = 0
    for count, (steps, crash) in enumerate(crashes(disk.steps, stride=STRIDE), 1):
        folder = tmp_path / str(count)
        folder.mkdir()
        crash.put_into(folder)
        image = folder / "calls.db"
        with named(crash):
            there = check_whole(image, service)
            if steps <= first_run:
                promised = max((fetched for at, fetched in written if at <= steps), default=0)
                assert len(there) >= promised
            was_killed = crash.description.startswith("killed")
            if not was_killed or steps % STRIDE == 0 or disk.steps[steps - 1].kind != "write":
                await check_heals(image, service)
        shutil.rmtree(folder)
    print(f"{count} crashes of {len(disk.steps)} steps")


@pytest.mark.parametrize("error", [SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC])
async def test_failing_disk_is_one_clear_error_and_loses_nothing(service: Service, tmp_path: Path, error: int) -> None:
    count, said = 0, []
    while True:
        folder = tmp_path / str(count)
        folder.mkdir()
        path = folder / "calls.db"
        disk = RecordedDisk(folder)
        disk.error, disk.fails_after = error, count * STRIDE
        with disk.in_use():
            try:
                await harvest(service.client, path)
            except ArchiveError as problem:
                said.append(str(problem))
        failed = disk.failed
        assert stored(path).items() <= service.truth().items()
        await check_heals(path, service)
        shutil.rmtree(folder)
        count += 1
        if not failed:
            break
    assert len(said) > 1
    assert all("calls.db" in problem for problem in said)
    print(f"{count} failing disks, {len(said)} refusals")


def test_consecutive_journaled_transactions_survive_every_crash(tmp_path: Path) -> None:
    """The model of the disk: a journal that is made after another was deleted is a new file."""
    path = tmp_path / "plain.db"
    with reading(path) as connection:
        connection.execute("CREATE TABLE numbers (number, filler)")
    before = {"plain.db": path.read_bytes()}
    disk = RecordedDisk(tmp_path)
    with disk.in_use(), reading(path) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        for number in range(4):
            connection.execute("INSERT INTO numbers VALUES (?, ?)", (number, "x" * 5_000))
            connection.commit()
    for count, (_, crash) in enumerate(crashes(disk.steps, stride=1, before=before)):
        folder = tmp_path / str(count)
        folder.mkdir()
        crash.put_into(folder)
        with named(crash), reading(folder / "plain.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            numbers = [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY 1")]
            assert numbers == list(range(len(numbers)))
        shutil.rmtree(folder)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_interrupted_upgrade_loses_nothing(tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fill, "_BATCH", 2)  # more transactions
    old = tmp_path / "old.db"
    with reading(old) as connection:
        connection.executescript((DATA / f"archive-schema-{version}.sql").read_text())
    kept = contents(old)
    before = {"calls.db": old.read_bytes()}
    disk = RecordedDisk(tmp_path)
    with disk.in_use():
        ArchiveWriter(shutil.copy(old, tmp_path / "calls.db"), "sandbox:4").close()
    assert len(disk.steps) > 10
    upgraded = facts(tmp_path / "calls.db")
    for count, (_, crash) in enumerate(crashes(disk.steps, stride=min(STRIDE, 3), before=before)):
        folder = tmp_path / str(count)
        folder.mkdir()
        image = folder / "calls.db"
        crash.put_into(folder)
        with named(crash):
            assert contents(image) == kept
            with reading(image) as connection:
                assert connection.execute("PRAGMA user_version").fetchone()[0] in {version, SCHEMA_VERSION}
            ArchiveWriter(image, "sandbox:4").close()
            assert contents(image) == kept
            with Archive.open(image) as archive:
                assert archive.status().conversations == len(kept)
            assert facts(image) == upgraded
        shutil.rmtree(folder)


def facts(path: Path) -> list[Any]:
    with reading(path) as connection:
        queries = ("tags", "evaluation_results", "llm_usage", "turn_metrics", "features", "documents", "calls")
        return [connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in queries]


def contents(path: Path) -> list[Any]:
    with reading(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute(
            "SELECT conversation_id, raw, (SELECT count(*) FROM turns t WHERE t.conversation_id = c.conversation_id)"
            " FROM conversations c ORDER BY 1"
        ).fetchall()
