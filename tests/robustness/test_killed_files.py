"""A saved or exported file is complete or not there when the process dies at any of its steps on the disk.

Beside it there is one temporary file at most, which nobody but its owner can read.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import psutil
import pytest
from threaded_service import ThreadedService

from convai_async import ConvAIClient
from convai_async._support.atomic_files import AtomicFile, put_in_place
from convai_async.archive import Archive
from convai_async.harvest import harvest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.testing import FakeConvAI

SCRIPT = Path(__file__).parents[1] / "support/dies.py"
OLD = "what was there before"


@pytest.fixture(scope="module")
def service() -> Iterator[FakeConvAI]:
    with ThreadedService(conversations=12, audio_bytes=700_000) as fake:
        yield fake


@pytest.fixture(scope="module")
def archive(service: FakeConvAI, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "calls.db"

    async def fill() -> None:
        async with ConvAIClient(service.api_key, base_url=service.url) as client:
            await harvest(client, path)

    anyio.run(fill)
    return path


def die_at_every_step(folder: Path, name: str, old: str, *job: str) -> list[str]:
    """Return the steps of the fork that lived."""
    command = [sys.executable, str(SCRIPT), str(folder), name, old, *job]
    return list(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


def content(file: Path) -> bytes:
    data = file.read_bytes()
    return gzip.decompress(data) if file.suffix == ".gz" else data


def check(folder: Path, name: str, old: bytes | None, whole: bytes, steps: list[str]) -> None:
    contents = []
    for place in folder.iterdir():
        files = {path.name: path for path in place.iterdir()}
        file = files.pop(name, None)
        contents.append(None if file is None else content(file))
        assert contents[-1] in {old, whole}, f"{place.name}, of {steps}"
        assert len(files) <= 1
        for path in files.values():
            assert path.name.endswith(".part")
            assert path.stat().st_mode & 0o077 == 0
    assert len(contents) > 3 * len(steps), "every step, and the one that lived"
    assert set(contents) == {old, whole}


@pytest.mark.slow
@pytest.mark.parametrize("old", ["", OLD], ids=["new", "overwritten"])
def test_killed_download_leaves_the_old_file_or_the_complete_new_one(
    old: str, service: FakeConvAI, tmp_path: Path
) -> None:
    recorded = next(filter(service.conversations.has_audio, service.conversations))
    steps = die_at_every_step(tmp_path, "call.mp3", old, "download", service.url, service.api_key, recorded)
    assert steps.count("write") > 1
    assert [step for step in steps if step != "write"] == (
        ["fsync", "replace", "fsync"] if old else ["fsync", "link", "unlink", "fsync"]
    )
    url = f"{service.url}/v1/convai/conversations/{recorded}/audio"
    whole = httpx.get(url, headers={"xi-api-key": service.api_key}).content
    check(tmp_path, "call.mp3", old.encode() or None, whole, steps)


@pytest.mark.parametrize(
    "name", ["calls.jsonl", "calls.jsonl.gz", "calls.csv", pytest.param("calls.parquet", marks=pytest.mark.slow)]
)
def test_killed_export_leaves_no_file_or_a_complete_one(name: str, archive: Path, tmp_path: Path) -> None:
    forks = tmp_path / "forks"
    forks.mkdir()
    steps = die_at_every_step(forks, name, "", "export", str(archive))
    assert steps.count("write") > 0
    assert [step for step in steps if step != "write"] == ["fsync", "link", "unlink", "fsync"]
    with Archive.open(archive) as opened:
        opened.export(tmp_path / name)
    check(forks, name, None, content(tmp_path / name), steps)


@pytest.mark.parametrize("name", ["calls.jsonl", "calls.jsonl.gz", "calls.jsonl.zst", "calls.csv", "calls.parquet"])
def test_two_exports_of_an_archive_are_equal(name: str, archive: Path, tmp_path: Path) -> None:
    with Archive.open(archive) as opened:
        for folder in (tmp_path / "one", tmp_path / "other"):
            folder.mkdir()
            opened.export(folder / name)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def open_files() -> int:
    return psutil.Process().num_fds() if os.name != "nt" else 0


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that were synced to the disk, in order."""
    inodes: list[int] = []
    fsync = os.fsync

    def record(fd: int) -> None:
        inodes.append(os.fstat(fd).st_ino)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", record)
    return inodes


@pytest.mark.parametrize("overwrite", [True, False])
def test_file_is_synced_before_it_is_named_and_the_folder_after(
    tmp_path: Path, synced: list[int], overwrite: bool
) -> None:
    destination = tmp_path / "call.mp3"
    if overwrite:
        destination.write_bytes(b"old")
    open_before = open_files()
    file = AtomicFile(destination)
    file.write(b"ID3")
    file.write(bytearray(b" and more"))
    assert [path.stat().st_mode & 0o777 for path in tmp_path.glob(".call.mp3.*.part")] == [0o600]
    file.commit(overwrite=overwrite)
    file.discard()
    assert destination.read_bytes() == b"ID3 and more"
    assert (file.size, file.sha256) == (12, hashlib.sha256(b"ID3 and more").hexdigest())
    assert open_files() == open_before
    assert synced == [destination.stat().st_ino, tmp_path.stat().st_ino]
    assert list(tmp_path.iterdir()) == [destination]


def test_file_is_not_replaced_without_overwrite(tmp_path: Path) -> None:
    destination = tmp_path / "call.mp3"
    destination.write_bytes(b"precious")
    file = AtomicFile(destination)
    file.write(b"ID3")
    with pytest.raises(FileExistsError):
        file.commit(overwrite=False)
    file.discard()
    assert destination.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [destination]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_file_is_not_replaced_on_a_file_system_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[int], number: int
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    temporary, destination = tmp_path / "a.part", tmp_path / "a"
    temporary.write_bytes(b"new")
    destination.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        put_in_place(temporary, destination, overwrite=False)
    assert (destination.read_bytes(), temporary.read_bytes()) == (b"precious", b"new")
    destination.unlink()
    put_in_place(temporary, destination, overwrite=False)
    assert destination.read_bytes() == b"new"
    assert not temporary.exists()
    assert synced == [tmp_path.stat().st_ino]


def test_discarded_file_ignores_writes_and_never_appears(tmp_path: Path) -> None:
    open_before = open_files()
    file = AtomicFile(tmp_path / "call.mp3")
    file.discard()
    file.write(b"ID3")
    file.commit(overwrite=True)
    assert file.size == 0
    second = AtomicFile(tmp_path / "call.mp3")
    second.write(b"ID3")
    second.discard()
    second.discard()
    second.commit(overwrite=True)
    assert open_files() == open_before
    assert list(tmp_path.iterdir()) == []


def test_long_name_gives_a_valid_temporary_name(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / ("x" * 251 + ".mp3"))
    file.write(b"ID3")
    (part,) = tmp_path.iterdir()
    assert part.name.startswith(f".{'x' * 100}.")
    assert part.name.endswith(".part")
    assert stat.S_ISREG(part.stat().st_mode)
    file.commit(overwrite=False)
    file.discard()
    assert [len(each.name) for each in tmp_path.iterdir()] == [255]
