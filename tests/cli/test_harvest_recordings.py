"""``convai-async harvest --recordings``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from archives import rows
from s3_server import TEST_KEY, TEST_SECRET, Bucket, set_environment

from convai_async.cli._app import run

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.testing import FakeConvAI

pytest_plugins = ["cli_fixtures", "s3_fixtures"]


def test_harvest_and_delete_with_a_bucket(
    service: FakeConvAI, archive: Path, s3: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = Bucket(s3)
    set_environment(monkeypatch, s3)
    command = ["harvest", str(archive), "--base-url", service.url, "--limit", "5", "--audio", "--recordings"]
    assert run([*command, bucket.url]) == 0
    saved = rows(archive, "SELECT conversation_id, path FROM audio")
    assert sorted(bucket.keys) == sorted(f"calls/{conversation_id}.mp3" for conversation_id, _ in saved)
    deleted = saved[0][0]
    assert run(["delete", deleted, "--archive", str(archive), "--base-url", service.url, "--yes"]) == 0
    assert len(bucket.keys) == len(saved) - 1
    assert "1 removed from" in capsys.readouterr().out
    assert run([*command, "s3://no-such-bucket"]) == 1
    err = capsys.readouterr().err
    assert "convai-async: cannot read s3://no-such-bucket: it does not exist: create it, or correct the URL\n" in err
    assert TEST_KEY not in err
    assert TEST_SECRET not in err


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        ("notes.txt", "is a file: choose a folder for recordings"),
        ("missing/audio", "the folder above it does not exist: create it"),
    ],
)
def test_folder_that_cannot_be_made_is_explained(
    service: FakeConvAI, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, problem: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    path = str(tmp_path / folder)
    assert run(["harvest", str(archive), "--base-url", service.url, "--audio", "--recordings", path]) == 1
    assert f"convai-async: {path!r}: {problem}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["calls.db", "--recordings", "s3://bucket"], "--recordings needs --audio."),
        (["--workspaces", "w.toml", "--recordings", "x"], "--recordings cannot be combined with --workspaces"),
        (["calls.db", "--sandbox", "--audio", "--recordings", "ftp://host"], "recordings: must be s3://bucket/prefix"),
    ],
)
def test_invalid_recordings_are_explained(
    arguments: list[str],
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["harvest", *arguments]) == 2
    assert problem in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
