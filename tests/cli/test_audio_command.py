"""``convai-async audio``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from command_line import COMMAND, run_in_terminal

from convai_async.cli._app import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from convai_async.testing import FakeConvAI

pytest_plugins = ["cli_fixtures"]


def test_audio_saves_a_recording_and_overwrites_only_with_force(
    service: FakeConvAI, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    conversation_id = next(filter(service.conversations.has_audio, service.conversations))
    command = ["audio", conversation_id, "--base-url", service.url]
    assert run(command) == 0
    recording = (tmp_path / f"{conversation_id}.mp3").read_bytes()
    assert capfdbinary.readouterr().out.startswith(f"{conversation_id}.mp3: ".encode())
    (tmp_path / "mine.mp3").write_bytes(b"mine")
    assert run([*command, "-o", "mine.mp3"]) == 2
    assert b"'mine.mp3' already exists: choose another file with -o, or add --force" in capfdbinary.readouterr().err
    assert (tmp_path / "mine.mp3").read_bytes() == b"mine"
    assert run([*command, "-o", "mine.mp3", "--force"]) == 0
    assert (tmp_path / "mine.mp3").read_bytes() == recording
    capfdbinary.readouterr()
    assert run([*command, "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == recording
    assert run(["audio", "conv_none", "--base-url", service.url]) == 1
    assert "redirect the output" in run_in_terminal([*COMMAND, *command, "-o", "-"], returncode=2)
