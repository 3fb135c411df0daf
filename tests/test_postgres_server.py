"""The PostgreSQL that tests use."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import postgres
import psycopg
import pytest
from postgres import PostgresServer, find_programs, new_database, server_url
from unmeasured import unmeasured

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["postgres_fixtures"]

TABLES = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
USER = """
import sys
import tempfile
from pathlib import Path
from postgres import server_url
with server_url(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        return row and row[0]


@contextmanager
def process_with_server(shared: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", USER, str(shared)]
    environment = {**unmeasured(), "PYTHONPATH": str(Path(postgres.__file__).parent)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        yield process, process.stdout.readline().strip()


def wait_until_deleted(folder: Path) -> None:
    """Wait for the process that cleans up, which has the lock until it has ended."""
    while folder.exists():
        try:
            with (folder / "users").open() as users:
                fcntl.flock(users, fcntl.LOCK_SH)
        except FileNotFoundError:
            return


def test_each_database_is_new_and_deleted_although_it_is_in_use(postgres_connection: psycopg.Connection) -> None:
    with new_database(postgres_connection) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE calls (id text)")
        assert ask(url, TABLES) == 1
        user = psycopg.connect(url)
        with new_database(postgres_connection) as second:
            assert ask(second, TABLES) == 0
    with closing(user), pytest.raises(psycopg.OperationalError):
        user.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_fixture_gives_a_database_in_utf8(postgres_url: str) -> None:
    assert ask(postgres_url, "SHOW server_encoding") == "UTF8"
    assert int(str(ask(postgres_url, "SHOW server_version_num"))) >= 150_000


def test_server_keeps_its_data_and_its_address_when_it_is_restarted(postgres_server: PostgresServer) -> None:
    for number, mode in enumerate(["fast", "immediate"]):
        with psycopg.connect(postgres_server.url) as connection:
            connection.execute(f"CREATE TABLE calls_{number} (id text)")
        postgres_server.stop(mode)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(postgres_server.url)
        postgres_server.start()
    assert ask(postgres_server.url, TABLES) == 2
    postgres_server.stop()
    with pytest.raises(RuntimeError, match="pg_ctl failed"):
        postgres_server.stop()


def test_processes_share_a_server_that_ends_after_the_last_of_them_is_killed(tmp_path: Path) -> None:
    with process_with_server(tmp_path) as (first, url), process_with_server(tmp_path) as (second, second_url):
        assert second_url == url
        folder = Path((tmp_path / "postgres.folder").read_text())
        first.kill()
        first.wait()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            second.kill()
            second.wait()
            wait_until_deleted(folder)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
    with server_url(tmp_path) as later:
        assert Path((tmp_path / "postgres.folder").read_text()) != folder
        assert ask(later, "SELECT 1") == 1


def test_server_that_cannot_start_says_why_and_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        parent = Path(name)
        parent.chmod(0o755)  # the server may run as another user
        monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", name)
        monkeypatch.setitem(postgres.SETTINGS, "shared_buffers", "none")
        with pytest.raises(RuntimeError, match='invalid value for parameter "shared_buffers"'):
            PostgresServer.create(find_programs())
        for folder in parent.iterdir():
            wait_until_deleted(folder)
        assert list(parent.iterdir()) == []


def test_variable_names_another_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    another = "postgresql://tester@database.example/postgres"
    monkeypatch.setenv("CONVAI_TEST_POSTGRES", another)
    with server_url(tmp_path) as url:
        assert url == another
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("in_ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
@pytest.mark.parametrize("version", [None, "14.9"])
def test_missing_server_fails_in_ci_and_skips_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    in_ci: str,
    outcome: type[BaseException],
    version: str | None,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "PACKAGED", tmp_path)
    monkeypatch.setenv("CI", in_ci)
    if version is not None:
        program = tmp_path / "postgres"
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    with pytest.raises(outcome, match="apt-get install postgresql"):
        find_programs()
