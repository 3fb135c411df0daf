"""Each step of writing a file that appears complete or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from convai_async._support.atomic_files import AtomicFile, _sync_folder, build_part_prefix, put_in_place


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The syncs and renames, with their paths."""
    taken: list[str] = []
    fsync, link, rename, unlink = os.fsync, os.link, os.replace, os.unlink

    def noted_fsync(fd: int) -> None:
        taken.append("sync folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    def noted(name: str, step: Any) -> Any:
        def take(*arguments: Any, **options: Any) -> Any:
            taken.append(name)
            return step(*arguments, **options)

        return take

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted("link", link))
    monkeypatch.setattr(os, "replace", noted("replace", rename))
    monkeypatch.setattr(os, "unlink", noted("unlink", unlink))
    return taken


@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [
        (False, ["sync file", "link", "unlink", "sync folder"]),
        (True, ["sync file", "replace", "sync folder"]),
    ],
)
def test_file_is_synced_before_and_its_folder_after_the_rename(
    overwrite: bool, expected: list[str], steps: list[str], tmp_path: Path
) -> None:
    file = AtomicFile(tmp_path / "a")
    file.write(b"1")
    file.write(bytearray(b"23"))
    assert (file.size, file.sha256) == (3, hashlib.sha256(b"123").hexdigest())
    steps.clear()
    file.commit(overwrite=overwrite)
    assert steps == expected
    file.discard()
    assert steps == expected, "what was committed is not removed"
    assert files(tmp_path) == {"a": b"123"}


def test_folder_is_not_synced_on_windows(steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        _sync_folder(tmp_path)
    assert "sync folder" not in steps


def test_temporary_file_has_the_name_of_the_file_and_is_private(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / ("n" * 200))
    file.write(b"1")
    (part,) = tmp_path.iterdir()
    assert part.name.startswith("." + "n" * 100 + ".")
    assert part.name.startswith(build_part_prefix("n" * 200))
    assert part.name.endswith(".part")
    assert part.stat().st_mode & 0o077 == 0
    file.discard()
    assert files(tmp_path) == {}


def test_partial_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:3]))
    file = AtomicFile(tmp_path / "a")
    file.write(b"0123456789")
    file.commit(overwrite=False)
    assert files(tmp_path) == {"a": b"0123456789"}
    file.discard()


def test_existing_file_is_not_replaced_without_overwrite(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    file = AtomicFile(tmp_path / "a")
    file.write(b"new")
    with pytest.raises(FileExistsError):
        file.commit(overwrite=False)
    file.discard()
    assert files(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("there", [True, False])
def test_existing_file_is_not_replaced_on_a_file_system_without_hard_links(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_arguments: object, **_options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "part").write_bytes(b"new")
    if there:
        (tmp_path / "a").write_bytes(b"old")
        with pytest.raises(FileExistsError):
            put_in_place(tmp_path / "part", tmp_path / "a", overwrite=False)
        assert files(tmp_path) == {"a": b"old", "part": b"new"}
    else:
        put_in_place(tmp_path / "part", tmp_path / "a", overwrite=False)
        assert files(tmp_path) == {"a": b"new"}


def test_every_file_descriptor_is_closed(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for commits in (True, False):
        file = AtomicFile(tmp_path / "a")
        file.write(b"1")
        if commits:
            file.commit(overwrite=True)
        file.discard()
        file.discard()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert files(tmp_path) == {"a": b"1"}


def test_file_that_was_discarded_or_never_written_is_not_created(tmp_path: Path) -> None:
    never = AtomicFile(tmp_path / "a")
    never.commit(overwrite=False)
    never.discard()
    file = AtomicFile(tmp_path / "b")
    file.write(b"1")
    file.discard()
    file.write(b"2")
    file.commit(overwrite=False)
    assert file.size == 1
    assert files(tmp_path) == {}


def test_file_that_somebody_removed_is_discarded_without_an_error(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a")
    file.write(b"1")
    (part,) = tmp_path.iterdir()
    part.unlink()
    file.discard()
    assert files(tmp_path) == {}


def test_second_commit_changes_nothing(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a")
    file.write(b"1")
    file.commit(overwrite=True)
    file.commit(overwrite=True)
    file.discard()
    assert files(tmp_path) == {"a": b"1"}


@pytest.mark.parametrize("method", ["write", "commit", "discard"])
def test_methods_wait_for_each_other(method: str, tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a")
    file.write(b"1")
    calls = {
        "write": lambda: file.write(b"2"),
        "commit": lambda: file.commit(overwrite=False),
        "discard": file.discard,
    }
    thread = threading.Thread(target=calls[method])
    with file._lock:
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
    thread.join()
    file.discard()
