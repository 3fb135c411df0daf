"""Archives with impossible values: from a wrong service, a damaged disk, or a stranger."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from threaded_service import ThreadedService

from convai_async import ConvAIClient, Conversation, steps
from convai_async.archive import Archive, ArchiveError
from convai_async.cli._app import run
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

IMPOSSIBLE = [1_780_000_000_000, 4_102_444_800, 2**63 - 1, 2**63, 10**30, -1, -(10**15), -(10**30)]
"""Starts in milliseconds, in the year 2100, before 1970, and what no integer of SQLite holds."""


def ids_in(path: Path) -> set[str]:
    with Archive.open(path) as archive:
        return {record.conversation_id for record in archive.records()}


@pytest.mark.parametrize("start", IMPOSSIBLE)
async def test_impossible_start_does_not_hide_new_conversations(tmp_path: Path, start: int) -> None:
    path = tmp_path / "calls.db"
    async with (
        FakeConvAI(conversations=5) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        newest = fake.conversations[next(iter(fake.conversations))].start
        impossible = fake.add(start=start)
        await harvest(client, path)
        assert impossible in ids_in(path)
        new = fake.add(start=newest + 60)
        report = await harvest(client, path)
        assert report.complete
        assert ids_in(path) == {*fake.conversations, impossible, new}
        with Archive.open(path) as archive:
            ends = [window.end for window in archive.status().windows]
        assert ends == [newest + 61]


async def test_windows_do_not_reach_into_the_future(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    async with (
        FakeConvAI(conversations=5) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        newest = fake.conversations[next(iter(fake.conversations))].start
        await harvest(client, path, until=datetime(2100, 1, 1, tzinfo=UTC))
        with Archive.open(path) as archive:
            assert [window.end for window in archive.status().windows] == [newest + 1]


WRONG = {
    "a start that is text": "UPDATE conversations SET start_time_unix_secs = 'abc'",
    "a start that is bytes": "UPDATE conversations SET start_time_unix_secs = x'00ff'",
    "a start that is a fraction": "UPDATE conversations SET start_time_unix_secs = 1.5",
    "a length that is text": "UPDATE conversations SET call_duration_secs = 'abc'",
    "a document that is a number": "UPDATE conversations SET raw = 999999999999",
    "a document that is text": "UPDATE conversations SET raw = 'abc'",
    "an id that is bytes": (
        "PRAGMA foreign_keys = OFF; UPDATE conversations SET conversation_id = CAST(conversation_id AS BLOB),"
        " status = 'processing'"
    ),
    "names that are bytes": "UPDATE conversations SET agent_id = x'ff', agent_name = x'00'",
    "numbers that are text": "UPDATE conversations SET rating = 'x', cost = 'y', has_audio = 'z', status = 5",
    "a turn of other types": "UPDATE turns SET time_in_call_secs = 'x', role = 5, interrupted = 'zz'",
    "words that are bytes": "UPDATE turns SET message = CAST(message AS BLOB)",
    "words that are no unicode": "UPDATE turns SET message = CAST(x'ff' AS TEXT)",
    "a window of text": "UPDATE windows SET start_unix_secs = 'x', end_unix_secs = 'y'",
    "a report that is no json": "UPDATE runs SET report = '{'",
    "a report that is a list": "UPDATE runs SET report = '[]'",
    "a report that counts in words": 'UPDATE runs SET report = \'{"fetched":"x"}\'',
    "a report that is bytes": "UPDATE runs SET report = x'ff'",
    "a run of text": "UPDATE runs SET started_unix_secs = 'x', ended_unix_secs = 'y'",
    "moments beyond the calendar": "UPDATE conversations SET start_time_unix_secs = 9e18, fetched_unix_secs = 9e18",
    "moments of text": "UPDATE conversations SET fetched_unix_secs = 'x', deleted_unix_secs = 'y'",
    "a line of the list that is text": "UPDATE conversations SET summary_json = 'zz', status = 'processing'",
    "a line of the list that is a number": "UPDATE conversations SET summary_json = 5, status = 'processing'",
    "no source": "DELETE FROM archive",
    "a fingerprint of text": "UPDATE archive SET key_salt = 'x', key_fingerprint = 'y'",
    "a fingerprint without a salt": "UPDATE archive SET key_salt = NULL, key_fingerprint = x'ff'",
    "a scrub that is due as text": "UPDATE archive SET scrub_due = 'x'",
    "an origin of text": "UPDATE conversations SET from_webhook = 'x', status = 'processing'",
    "a source that is bytes": "UPDATE archive SET source = x'ff'",
    "a failure of something unknown": "INSERT INTO failures VALUES ('x', 'odd', 'e', 5, 5, 'zz')",
    "a failure of other types": "INSERT INTO failures VALUES ('x', x'ff', x'ff', 'z', 'z', 5)",
    "a line of the list that failed": "INSERT INTO failures VALUES ('line:1', 'list', 'e', 0, 5, x'ff')",
    "a failure whose line is none": "INSERT INTO failures VALUES ('x', 'conversation', 'e', 5, 5, 'zz')",
    "a recording at bytes": "UPDATE conversations SET has_audio = 1; INSERT INTO audio SELECT conversation_id, x'ff',"
    " 'a', 5, 5 FROM conversations",
    "facts of other types": "UPDATE conversations SET turn_metrics = x'ff', features = '[', dynamic_variables = 5,"
    " text_only = 'x', accepted_time_unix_secs = 9e18, likes = 'y', raw_is_utf8 = 'z'",
    "results of other types": "UPDATE evaluation_results SET score = 'x', result = x'ff', criteria_id = 5",
    "steps of other types": "INSERT INTO steps VALUES (x'ff', 'y', 5, x'ff'), ('score', 'y', 5, x'ff')",
    "jobs of steps of other types": (
        "INSERT INTO steps VALUES ('score', 1, 'all', NULL); INSERT INTO step_results SELECT conversation_id, x'ff',"
        " 'v', 5, 'z' FROM conversations; INSERT INTO step_jobs SELECT conversation_id, 'score', 'v', 'a', 5, x'ff',"
        " x'ff' FROM conversations"
    ),
    "an upgrade of bytes": "UPDATE archive SET upgraded_to = x'ff'",
    "an upgrade that begins again": "UPDATE archive SET upgraded_to = ''; UPDATE conversations SET raw = 'abc'",
    "no table for conversations": "DROP TABLE conversations",
    "no search index": "DROP TABLE turns_search",
    "an endless view of conversations": (
        "DROP TABLE conversations; CREATE VIEW conversations AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL"
        " SELECT n + 1 FROM r) SELECT n AS conversation_id, 1 AS raw FROM r"
    ),
    "an endless view of failures": (
        "DROP TABLE failures; CREATE VIEW failures AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL"
        " SELECT n + 1 FROM r) SELECT n AS conversation_id, 'e' AS error, 1 AS attempts, 'p' AS part FROM r"
    ),
    "version 0": "PRAGMA user_version = 0",
    "version -5": "PRAGMA user_version = -5",
}


@steps.step("score", version=1)
async def score(conversation: Conversation) -> int:
    return len(conversation.transcript)


MODULE = SimpleNamespace(score=score)


@pytest.fixture(scope="module")
def service() -> Iterator[FakeConvAI]:
    with ThreadedService(conversations=3, audio_bytes=100) as fake:
        yield fake


@pytest.fixture(scope="module")
def sound(service: FakeConvAI, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "calls.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELEVENLABS_API_KEY", service.api_key)
        assert run(["harvest", str(path), "--base-url", service.url]) == 0
        assert run(["export", str(path), str(path.with_name("calls.jsonl"))]) == 0
    return path


@pytest.mark.parametrize("statements", WRONG.values(), ids=WRONG.keys())
def test_commands_report_wrong_archives_without_a_traceback(
    statements: str,
    sound: Path,
    service: FakeConvAI,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", service.api_key)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "steps_of_tests", MODULE)
    conversation_id = next(iter(service.conversations))
    commands = [
        ["status", "calls.db"],
        ["status", "calls.db", "--json"],
        ["search", "calls.db", "refund"],
        ["search", "calls.db", "a*", "--json"],
        ["show", conversation_id, "--archive", "calls.db"],
        ["export", "calls.db", "a.jsonl"],
        ["export", "calls.db", "a.csv"],
        ["export", "calls.db", "t.csv", "--table", "turns"],
        ["export", "calls.db", "a.parquet"],
        ["export", "calls.db", "days.parquet", "--partition"],
        ["export", "calls.db", "tables", "--all-tables"],
        ["import", "calls.db", str(sound.with_name("calls.jsonl"))],
        ["harvest", "calls.db", "--audio", "--prune", "mark", "--base-url", service.url],
        ["delete", "conv_none", "--yes", "--archive", "calls.db", "--base-url", service.url],
        ["steps", "run", "calls.db", "--module", "steps_of_tests"],
        ["steps", "status", "calls.db"],
        ["steps", "retry", "calls.db"],
    ]
    for command in commands:
        shutil.copy(sound, tmp_path / "calls.db")
        connection = sqlite3.connect("calls.db")
        connection.executescript(statements)
        connection.close()
        assert run(command) in {0, 1, 2}, command
        err = capfd.readouterr().err
        assert "Traceback" not in err
        assert err.count("\n") <= 2
        shutil.rmtree("tables", ignore_errors=True)


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (
            "UPDATE archive SET source = x'ff'",
            r"data that convai_async did not write \(Expected `str`, got `bytes`",
        ),
        ("DELETE FROM archive", "contains data that convai_async did not write"),
        ("DROP TABLE runs", "has no table runs: restore it from a backup"),
        ("PRAGMA user_version = 0", "is marked as a convai archive, but its version is unknown"),
    ],
)
def test_wrong_archive_is_described(sound: Path, tmp_path: Path, statements: str, problem: str) -> None:
    path = shutil.copy(sound, tmp_path / "calls.db")
    connection = sqlite3.connect(path)
    connection.executescript(statements)
    connection.close()

    def read() -> None:
        with Archive.open(path) as archive:
            archive.status()

    with pytest.raises(ArchiveError, match=problem):
        read()


def test_archive_in_a_read_only_folder_can_be_read(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    path = shutil.copy(sound, folder / "calls.db")
    folder.chmod(0o500)
    try:
        with Archive.open(path) as archive:
            assert archive.status().conversations == 3
    finally:
        folder.chmod(0o700)
