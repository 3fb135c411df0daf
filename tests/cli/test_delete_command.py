"""``convai-async delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from command_line import (
    COMMAND,
    count_conversations,
    run_in_terminal,
)

from convai_async.archive import Archive
from convai_async.cli._app import run
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

pytest_plugins = ["cli_fixtures"]


def test_delete_asks_for_confirmation(service: FakeConvAI) -> None:
    conversation_id = next(iter(service.conversations))
    command = [*COMMAND, "delete", conversation_id, "--base-url", service.url]
    assert "nothing was deleted" in run_in_terminal(command, typed="n\n", returncode=1)
    assert conversation_id in service.conversations
    assert "1 deleted" in run_in_terminal(command, typed="y\n")
    assert conversation_id not in service.conversations


def test_delete_with_a_wrong_key_stops_immediately(
    service: FakeConvAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "wrong")
    (tmp_path / "ids.txt").write_text("\n".join([*service.conversations, *map(str, range(1000))]))
    assert run(["delete", "--from", str(tmp_path / "ids.txt"), "--yes", "--base-url", service.url]) == 2
    assert "check the API key" in capsys.readouterr().err
    assert len(service.conversations) == 40
    assert len(service.requests) <= 2 * 16, "no more than were under way"


def test_delete_removes_from_the_archive_only_what_the_service_deleted(
    service: FakeConvAI, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["harvest", str(archive), "--base-url", service.url]) == 0
    kept, *gone = list(service.conversations)[:4]
    service.faults.add(faults.status(403), path=kept, times=None)
    listed = tmp_path / "ids.txt"
    listed.write_text("\n".join(["# requests of May", kept, *(f"{each}  # done" for each in gone), "", "conv_none"]))
    arguments = [
        "delete",
        gone[0],
        "--from",
        str(listed),
        "--archive",
        str(archive),
        "--yes",
        "--base-url",
        service.url,
    ]
    assert run(arguments) == 1
    out, err = capsys.readouterr()
    assert f"3 deleted, 1 not found; 3 removed from {archive}" in out
    assert f"{kept}: DELETE" in err
    assert count_conversations(archive) == 37
    assert run(["show", kept, "--archive", str(archive)]) == 0


def test_404_page_of_a_proxy_is_a_failure_and_keeps_the_conversation_in_the_archive(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["harvest", str(archive), "--base-url", service.url]) == 0
    conversation_id = next(iter(service.conversations))
    service.faults.add(faults.html(404), operation="delete_conversation", times=None)
    capsys.readouterr()
    assert run(["delete", conversation_id, "--archive", str(archive), "--yes", "--base-url", service.url]) == 1
    out, err = capsys.readouterr()
    assert f"0 deleted, 0 not found; 0 removed from {archive}" in out
    assert f"{conversation_id}: DELETE" in err
    assert count_conversations(archive) == 40


def test_failure_whose_id_is_not_valid_is_removed_from_the_archive(
    service: FakeConvAI, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = service.add("conv_\0x")
    assert run(["harvest", str(archive), "--base-url", service.url]) == 1
    with Archive.open(archive) as opened:
        assert [each.conversation_id for each in opened.failures()] == [strange]
    listed = tmp_path / "ids.txt"
    listed.write_text(strange)
    options = ["--archive", str(archive), "--yes", "--base-url", service.url]
    assert run(["delete", "--from", str(listed), *options]) == 1
    assert "control character" in capsys.readouterr().err
    with Archive.open(archive) as opened:
        assert opened.failures() == []
    assert run(["delete", "conv_\udcff", *options]) == 2
    assert "surrogate" in capsys.readouterr().err
