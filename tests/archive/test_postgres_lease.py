"""Only one process harvests a workspace, and one that was replaced cannot write any more."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from postgres_holder import SOURCE, store

from convai_async.archive import Archive, ArchiveBusyError, ArchiveConnectionError, ArchiveError
from convai_async.archive._postgres import _lease
from convai_async.archive._writer import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres import PostgresServer

pytest_plugins = ["postgres_fixtures"]

SCRIPT = Path(__file__).parents[1] / "support/postgres_holder.py"


class Holder:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.first = self.read()

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def store(self, conversation_id: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{conversation_id}\n")
        self.process.stdin.flush()
        return self.read()


@contextmanager
def hold(url: str) -> Iterator[Holder]:
    with subprocess.Popen(
        [sys.executable, SCRIPT, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Holder(process)
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def expire(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE convai.leases SET expires_at = clock_timestamp() - interval '1 s'")


def read_ids(url: str) -> list[str]:
    with Archive.open(url) as archive:
        return sorted(each.conversation_id for each in archive.records())


def test_a_workspace_of_a_killed_process_is_free_at_once(postgres_url: str) -> None:
    with hold(postgres_url) as holder:
        assert (holder.first, holder.store("one")) == ("open", "stored")
        with pytest.raises(ArchiveBusyError):
            ArchiveWriter(postgres_url, SOURCE)
        holder.process.kill()
        holder.process.wait()
        with closing(open_soon(postgres_url)) as writer:
            store(writer, "two")
    assert read_ids(postgres_url) == ["one", "two"]


def open_soon(url: str) -> ArchiveWriter:
    """Open a workspace when the server has noticed that the connection of its holder is closed."""
    while True:
        try:
            return ArchiveWriter(url, SOURCE)
        except ArchiveBusyError:
            time.sleep(0.01)


def test_a_stopped_process_is_replaced_and_cannot_write_any_more(postgres_url: str) -> None:
    with hold(postgres_url) as holder:
        assert holder.store("one") == "stored"
        holder.process.send_signal(signal.SIGSTOP)
        expire(postgres_url)
        with closing(ArchiveWriter(postgres_url, SOURCE)) as writer:
            store(writer, "two")
            holder.process.send_signal(signal.SIGCONT)
            assert "Error" in holder.store("three")
            store(writer, "four")
        assert "Error" in holder.store("five")
    assert read_ids(postgres_url) == ["four", "one", "two"]


def test_a_replaced_process_whose_connection_lives_gets_a_clear_error(postgres_url: str) -> None:
    with closing(ArchiveWriter(postgres_url, SOURCE)) as writer:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("UPDATE convai.leases SET number = number + 1")
        with pytest.raises(ArchiveError, match="another process has taken over") as raised:
            store(writer, "one")
        assert not raised.value.retryable
    assert read_ids(postgres_url) == []


def test_a_workspace_cannot_be_taken_over_in_the_middle_of_a_transaction(postgres_url: str) -> None:
    with (
        closing(ArchiveWriter(postgres_url, SOURCE)) as writer,
        writer._store.transaction(),
        psycopg.connect(postgres_url, autocommit=True) as connection,
    ):
        connection.execute("SET lock_timeout = '50ms'")
        connection.execute("UPDATE convai.leases SET expires_at = clock_timestamp()")  # a renewal does not wait
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("UPDATE convai.leases SET number = number + 1")


def test_a_lease_is_renewed_until_the_workspace_is_closed(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lease, "_RENEW_SECS", 0.01)
    query = "SELECT expires_at > clock_timestamp() FROM convai.leases"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        with closing(ArchiveWriter(postgres_url, SOURCE)):
            expire(postgres_url)
            while connection.execute(query).fetchone() != (True,):
                pass
        assert connection.execute(query).fetchone() == (None,)


def test_after_a_restart_of_the_database_writing_is_refused_and_opening_again_helps(
    postgres_server: PostgresServer,
) -> None:
    with closing(ArchiveWriter(postgres_server.url, SOURCE)) as writer:
        store(writer, "one")
        postgres_server.stop("immediate")
        with pytest.raises(ArchiveConnectionError) as raised:
            store(writer, "two")
        assert raised.value.retryable
        with pytest.raises(ArchiveConnectionError, match="cannot be reached"):
            Archive.open(postgres_server.url)
        postgres_server.start()
        with pytest.raises(ArchiveConnectionError):
            store(writer, "three")
    with closing(ArchiveWriter(postgres_server.url, SOURCE)) as writer:
        store(writer, "four")
    assert read_ids(postgres_server.url) == ["four", "one"]
