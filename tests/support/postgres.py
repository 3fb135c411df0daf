"""PostgreSQL for tests: one server for all processes of a run, and servers that a test can stop and restart.

It is a package of the system: ``apt-get install postgresql``. The variable ``CONVAI_TEST_POSTGRES`` names another
server to use, by the URL of a user who can create databases: ``postgresql://user:password@host/postgres``.

A server is stopped and deleted when the last process that uses it ends, also when that process is killed: each holds a
lock on a file of the server, which the system releases, and a process that waits for the lock cleans up.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
from unmeasured import unmeasured

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

OLDEST = 15
PACKAGED = Path("/usr/lib/postgresql")
"""Where Debian installs PostgreSQL, in a folder for each version."""

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
}
"""For speed: nothing waits for the disk. What is committed is still there when the server, not the machine, crashes."""


@contextmanager
def new_database(connection: psycopg.Connection) -> Iterator[str]:
    """Create an empty database on the server of a connection, which commits each statement."""
    name = f"convai_test_{uuid4().hex}"
    connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        info = connection.info
        user, password, host = (quote(each, safe="") for each in (info.user, info.password, info.host))
        yield f"postgresql://{user}:{password}@{host}:{info.port}/{name}"
    finally:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def server_url(shared: Path) -> Iterator[str]:
    """Give the URL of the server that all processes share which name this folder; the first of them starts it."""
    if (url := os.environ.get("CONVAI_TEST_POSTGRES")) is not None:
        yield url
        return
    programs = find_programs()
    with (shared / "postgres.starting").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        place = shared / "postgres.folder"
        try:
            server = PostgresServer.join(programs, Path(place.read_text()))
        except FileNotFoundError:  # not started yet, or its last user has left
            server = PostgresServer.create(programs)
            place.write_text(str(server.folder))
    with server:
        yield server.url


class PostgresServer:
    """A PostgreSQL server on a port of 127.0.0.1 and on a socket in its folder. Leaving its context gives it up."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._lock = (folder / "users").open()
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    @classmethod
    def create(cls, programs: Path) -> PostgresServer:
        """Start a server in a new folder."""
        folder = Path(tempfile.mkdtemp(prefix="convai-postgres-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
        (folder / "users").touch()
        server = cls(programs, folder)
        # The shell leaves the process behind, in a session that Ctrl-C does not reach.
        command = ["sh", "-c", '"$@" >/dev/null 2>&1 &', "sh", sys.executable, __file__, str(programs), str(folder)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=unmeasured(), start_new_session=True)
        try:
            server._initialize()
            server.start()
        except BaseException:
            server.close()
            raise
        return server

    @classmethod
    def join(cls, programs: Path, folder: Path) -> PostgresServer:
        """Use a server that another process has started.

        Raises:
            FileNotFoundError: It is deleted.
        """
        server = cls(programs, folder)
        if not folder.exists():  # deleted while this waited for the lock
            server.close()
            raise FileNotFoundError(folder)
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL of the database ``postgres``, as a superuser."""
        return (self.folder / "url").read_text()

    def start(self, *, max_file_bytes: int | None = None) -> None:
        """Start the server, or start it again on the same port, and wait until it accepts connections.

        Args:
            max_file_bytes: The size up to which it can write its files, as on a disk that is full.
        """
        log = self.folder / "log"
        settings = {**SETTINGS, "port": urlsplit(self.url).port, "unix_socket_directories": self.folder}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run(
            "pg_ctl",
            "start",
            "--wait",
            "--pgdata=data",
            f"--log={log}",
            f"--options={options}",
            max_file_bytes=max_file_bytes,
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop the server and wait until it has ended; `immediate` is like a crash, and `fast` is in order."""
        self._run("pg_ctl", "stop", "--wait", "--pgdata=data", f"--mode={mode}")

    def close(self) -> None:
        """Give the server up: it is stopped and deleted when nobody else uses it."""
        self._lock.close()

    def _initialize(self) -> None:
        password = secrets.token_hex(8)
        (self.folder / "password").write_text(password)
        (self.folder / "url").write_text(f"postgresql://postgres:{password}@127.0.0.1:{choose_port()}/postgres")
        for path in [self.folder, *self.folder.iterdir()]:
            if owner := server_owner():
                os.chown(path, owner["user"], owner["group"])
        options = ["--username=postgres", "--pwfile=password", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", "--pgdata=data", "--auth-local=trust", "--auth-host=scram-sha-256", *options)

    def _run(self, program: str, *arguments: str, max_file_bytes: int | None = None) -> None:
        command = [str(self._programs / program), *arguments]
        if max_file_bytes is not None:
            command = ["sh", "-c", f'ulimit -f {max_file_bytes // 512} && exec "$@"', "sh", *command]
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, env=unmeasured(), **server_owner()
        )
        if ended.returncode != 0:
            log = self.folder / "log"
            raise RuntimeError(f"{program} failed: {ended.stderr}{log.read_text() if log.exists() else ''}")


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs; without PostgreSQL, the test fails in CI and is skipped elsewhere."""
    on_path = shutil.which("postgres")
    folders = [] if on_path is None else [Path(on_path).resolve().parent]
    for folder in [*folders, *sorted(PACKAGED.glob("*/bin"), reverse=True)]:
        version = subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
        if (found := re.search(r"\d+", version)) and int(found[0]) >= OLDEST:
            return folder
    reason = f"PostgreSQL {OLDEST} or newer is not installed: apt-get install postgresql"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def server_owner() -> dict[str, Any]:
    """Return as arguments for `subprocess.run` who runs the server: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    users = {each.pw_name: each for each in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def choose_port() -> int:
    """Return a port on which nobody listens, of those that the system does not give to connections."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) != 0:
                return port


def clean_up(programs: Path, folder: Path) -> None:
    """Wait until nobody uses a server, then stop it and delete its folder."""
    with (folder / "users").open() as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        command = [str(programs / "pg_ctl"), "stop", "--wait", "--pgdata=data", "--mode=immediate"]
        subprocess.run(command, check=False, cwd=folder, **server_owner())  # a test may have stopped it
        shutil.rmtree(folder)


if __name__ == "__main__":
    clean_up(Path(sys.argv[1]), Path(sys.argv[2]))
