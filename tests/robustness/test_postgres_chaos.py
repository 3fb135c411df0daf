"""Harvests into PostgreSQL lose nothing and store nothing twice when processes, connections and servers fail.

``POSTGRES_KILLS=200 pytest -m slow tests/robustness/test_postgres_chaos.py`` kills more harvests.
"""

from __future__ import annotations

import base64
import os
import random
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from postgres_holder import SOURCE
from service_process import ServiceProcess, service_process

from convai_async.archive import Archive, ArchiveError
from convai_async.archive._records import decode_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres import PostgresServer

    from convai_async.archive._records import ConversationUpdate

pytest_plugins = ["postgres_fixtures"]

SCRIPT = Path(__file__).parents[1] / "support/postgres_harvest.py"
KILLS = int(os.environ.get("POSTGRES_KILLS", "3"))
CONVERSATIONS = 100

END_WAITING_COPY = """\
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND wait_event_type = 'Lock'
"""


@pytest.fixture(scope="module")
def service() -> Iterator[ServiceProcess]:
    with service_process(conversations=CONVERSATIONS, render_once=True) as running:
        yield running


@contextmanager
def start_harvest(url: str, service: ServiceProcess) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(SCRIPT), url, service.url, service.api_key]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_stored(connection: psycopg.Connection, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until a harvest has stored so many conversations, or has ended."""
    while process.poll() is None:
        if connection.execute("SELECT to_regclass('convai.conversations')").fetchone() != (None,):
            found = connection.execute("SELECT count(*) FROM convai.conversations").fetchone()
            if found is not None and found[0] >= count:
                return


def check_complete(url: str, service: ServiceProcess) -> None:
    with Archive.open(url) as archive:
        assert archive.failures() == []
        stored = {each.conversation_id: each.raw for each in archive.records()}
        for table in ("turns", "tool_calls", "llm_usage"):
            with archive.snapshot() as connection:
                ids = {each for (each,) in connection.execute(f"SELECT conversation_id FROM {table}")}
            assert ids <= set(stored)
        turns = archive.status().turns
    expected = {each: service.conversations.details(each) for each in service.conversations}
    assert {each: msgspec.json.decode(raw) for each, raw in stored.items()} == expected
    assert turns == sum(len(document["transcript"]) for document in expected.values())


@pytest.mark.slow
def test_killed_harvests_lose_nothing_and_store_nothing_twice(postgres_url: str, service: ServiceProcess) -> None:
    rng = random.Random(1)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for kill in range(KILLS):
            with start_harvest(f"{postgres_url}?workspace={kill}", service) as process:
                wait_until_stored(connection, rng.randrange(CONVERSATIONS), process)
                process.kill()
            workspace = f"{postgres_url}?workspace={kill}"
            while True:
                with start_harvest(workspace, service) as process:
                    error = process.communicate()[1]
                if not error.startswith("ArchiveBusyError"):  # the server has not noticed the kill yet
                    break
            assert error == ""
            check_complete(workspace, service)
            connection.execute("DELETE FROM convai.conversations")


@pytest.mark.slow
def test_harvest_through_a_crash_of_the_server_is_completed_by_the_next(
    postgres_server: PostgresServer, service: ServiceProcess
) -> None:
    with start_harvest(postgres_server.url, service) as process:
        with psycopg.connect(postgres_server.url, autocommit=True) as connection:
            wait_until_stored(connection, 1, process)
        postgres_server.stop("immediate")
        error = process.communicate()[1]
    # psycopg can log a line before it.
    assert process.returncode == 0 or error.splitlines()[-1].startswith("ArchiveConnectionError")
    postgres_server.start()
    with start_harvest(postgres_server.url, service) as process:
        assert process.communicate()[1] == ""
    check_complete(postgres_server.url, service)


def build_update(conversation_id: str, message: str) -> ConversationUpdate:
    document: dict[str, Any] = {
        "conversation_id": conversation_id,
        "agent_id": "agent_1",
        "status": "done",
        "transcript": [{"role": "user", "message": message}],
        "metadata": {"start_time_unix_secs": 1, "call_duration_secs": 1},
    }
    update = decode_update(ConversationSummary(conversation_id=conversation_id), msgspec.json.encode(document))
    assert not isinstance(update, ArchiveError)
    return update  # type: ignore[return-value]


def test_connection_that_is_lost_in_a_copy_leaves_nothing_behind(postgres_url: str) -> None:
    with closing(ArchiveWriter(postgres_url, SOURCE)) as writer:
        with psycopg.connect(postgres_url) as other:
            other.execute("LOCK TABLE convai.turns IN ACCESS EXCLUSIVE MODE")  # the copy of turns waits
            errors: list[ArchiveError] = []

            def store() -> None:
                try:
                    writer.store([build_update("one", "hello")])
                except ArchiveError as error:
                    errors.append(error)

            thread = Thread(target=store)
            thread.start()
            with psycopg.connect(postgres_url, autocommit=True) as killer:
                while killer.execute(END_WAITING_COPY).fetchone() is None:
                    pass
            thread.join()
        assert [error.retryable for error in errors] == [True]
    with closing(ArchiveWriter(postgres_url, SOURCE)) as writer:
        assert writer.count_conversations() == 0
        writer.store([build_update("one", "hello")])
    with Archive.open(postgres_url) as archive:
        assert (archive.status().conversations, archive.status().turns) == (1, 1)


@pytest.mark.slow
def test_full_disk_stores_all_or_nothing_and_writing_goes_on_when_there_is_space(
    postgres_server: PostgresServer,
) -> None:
    large = build_update("large", base64.b64encode(random.Random(2).randbytes(24_000_000)).decode())
    with closing(ArchiveWriter(postgres_server.url, SOURCE)) as writer:
        writer.store([build_update("one", "hello")])
    postgres_server.stop()
    postgres_server.start(max_file_bytes=17_000_000)  # segments of the log fit
    with closing(ArchiveWriter(postgres_server.url, SOURCE)) as writer:
        with pytest.raises(ArchiveError, match=r"could not extend file .* Check free disk space"):
            writer.store([large, build_update("two", "hello")])
        writer.store([build_update("three", "hello")])
    postgres_server.stop()
    postgres_server.start()
    with closing(ArchiveWriter(postgres_server.url, SOURCE)) as writer:
        writer.store([large])
    with Archive.open(postgres_server.url) as archive:
        assert [each.conversation_id for each in archive.records()] == ["large", "one", "three"]
        assert archive.get_raw("large") == large.row["raw"]
