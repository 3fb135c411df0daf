"""Archives that cannot be opened are refused with advice, and not changed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from archives import SOURCE, build_update

from convai_async.archive import Archive, ArchiveError
from convai_async.archive._errors import translate_errors
from convai_async.archive._schema._tables import SCHEMA_VERSION
from convai_async.archive._writer import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["archive_fixtures"]


@pytest.fixture
def store() -> str:
    return "sqlite"


OPEN: list[Callable[[Path], object]] = [lambda path: ArchiveWriter(path, SOURCE), Archive.open]


@pytest.mark.parametrize("make", OPEN)
@pytest.mark.parametrize("content", [b"my thesis", b"x" * 10_000, b"SQLite format 3\x00 not really"])
def test_file_that_is_not_a_database_is_refused_and_not_changed(path: Path, content: bytes, make: Any) -> None:
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"is not a convai archive: choose another file"):
        make(path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("make", OPEN)
def test_database_of_another_program_is_refused_and_not_changed(path: Path, make: Any) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match="is a database, but not a convai archive"):
        make(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_too_many_open_files_are_named_as_the_reason(path: Path) -> None:
    ArchiveWriter(path, SOURCE).close()
    code = (
        "import os, resource, sys; from convai_async.archive import Archive; free = os.dup(0);"
        "os.close(free); resource.setrlimit(resource.RLIMIT_NOFILE, (free, free)); Archive.open(sys.argv[1])"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert "unable to open database file (the process has too many open files: raise the limit" in run.stderr
    with pytest.raises(ArchiveError, match=r"unable to open database file$"), translate_errors(path):
        sqlite3.connect(path / "missing")


def test_archive_whose_tables_could_not_be_created_is_created_again(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")  # on a full disk, this was written and the tables were not
    connection.close()
    assert path.stat().st_size > 0
    with pytest.raises(ArchiveError, match="there is no archive"):
        Archive.open(path)
    assert not Archive.upgrade(path)
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store([build_update("one", "hello")])
    with Archive.open(path) as archive:
        assert archive.status().conversations == 1


@pytest.mark.parametrize("make", OPEN)
def test_archive_of_a_newer_version_is_refused_with_advice(writer: ArchiveWriter, path: Path, make: Any) -> None:
    writer._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    writer.close()
    with pytest.raises(ArchiveError, match="pip install -U convai-async"):
        make(path)


def test_archive_of_another_source_is_refused_unless_it_is_empty(path: Path) -> None:
    ArchiveWriter(path, "https://wrong.example").close()
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store([build_update("conv_1")])
    with pytest.raises(ArchiveError, match=f"from {SOURCE}, not from https://other.example: choose another file"):
        ArchiveWriter(path, "https://other.example")


def test_invalid_paths_are_refused_with_advice(tmp_path: Path) -> None:
    for make in OPEN:
        with pytest.raises(ArchiveError, match=r"is a folder: choose a file in it"):
            make(tmp_path)
        with pytest.raises(ArchiveError, match=r"does not exist: create it with `mkdir -p"):
            make(tmp_path / "none" / "calls.db")
    for missing in (Archive.open, lambda path: ArchiveWriter(path, SOURCE, create=False)):
        with pytest.raises(ArchiveError, match="there is no archive"):
            missing(tmp_path / "calls.db")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_file_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "loop.db").symlink_to("loop.db")
    with pytest.raises(ArchiveError, match=r"loop\.db' cannot be written: .*symbolic links"):
        ArchiveWriter(tmp_path / "loop.db", SOURCE)
