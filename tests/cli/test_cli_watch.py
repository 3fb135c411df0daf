"""``wait``, ``watch``, ``audio`` and ``sandbox``."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from command_line import COMMAND, on_a_terminal

from convai_async.cli._app import run

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.testing import FakeConvAI

pytest_plugins = ["cli_fixtures"]


def test_wait_ends_when_the_conversation_is_done(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    conversation_id = next(iter(service.conversations))
    assert run(["wait", conversation_id, "--base-url", service.url]) == 0
    assert capsys.readouterr().out == f"{conversation_id}: done\n"
    assert run(["wait", conversation_id, "--base-url", service.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["conversation_id"] == conversation_id


@pytest.mark.parametrize(
    ("status", "code", "problem"), [("failed", 1, "ended as 'failed'"), ("processing", 4, "was 'processing' after 0 s")]
)
def test_wait_has_an_exit_code_for_failed_and_one_for_not_done(
    service: FakeConvAI, status: str, code: int, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation_id = service.add(status=status)
    assert run(["wait", conversation_id, "--base-url", service.url, "--max-wait", "0"]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert problem in err


def watching(service: FakeConvAI, *options: str) -> subprocess.Popen[str]:
    oldest = min(service.conversations[each].start for each in list(service.conversations)[:3])
    command = [*COMMAND, "watch", "--base-url", service.url, "--since", str(oldest), "--interval", "0.05", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_of(process: subprocess.Popen[str], number: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(number)]


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
    process.send_signal(number)
    _, err = process.communicate()
    return process.returncode, err


def test_watch_prints_each_conversation_as_it_becomes_final(service: FakeConvAI) -> None:
    process = watching(service)
    assert lines_of(process, 3) == list(service.conversations)[2::-1]
    later = service.add(status="processing")
    service.finish(later)
    assert lines_of(process, 1) == [later]
    assert end(process) == (0, "\nstopping\n")


def test_watch_prints_json_and_only_of_the_agent(service: FakeConvAI) -> None:
    agent = service.conversations.details(next(iter(service.conversations)))["agent_id"]
    process = watching(service, "--json", "--agent", agent)
    assert json.loads(lines_of(process, 1)[0])["agent_id"] == agent
    assert end(process, signal.SIGTERM)[0] == 0
    assert dict(service.requests[0].query)["agent_id"] == agent


def test_watch_runs_a_command_for_each_and_says_which_failed(service: FakeConvAI, tmp_path: Path) -> None:
    script = 'cat > "$0/$CONVAI_CONVERSATION_ID"; echo "$CONVAI_CONVERSATION_ID"; exit 3'
    process = watching(service, "--exec", f"sh -c '{script}' '{tmp_path}'")
    ids = lines_of(process, 3)
    assert ids == list(service.conversations)[2::-1]
    code, err = end(process)
    assert code == 1
    assert err.count("sh ended with 3") >= 2, "the last one may have been interrupted"
    document = json.loads((tmp_path / ids[0]).read_text())
    assert document["transcript"], "the whole conversation is on its standard input"


def test_watch_hands_ids_to_no_shell(service: FakeConvAI) -> None:
    marks = "; echo $(id) `id` | $HOME > x"
    process = watching(service, "--exec", f"echo '{marks}' $HOME")
    assert lines_of(process, 1) == [f"{marks} $HOME"]
    end(process)


def test_audio_saves_a_recording_and_replaces_only_with_force(
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
    assert b"'mine.mp3' exists already: name another file with -o, or add --force" in capfdbinary.readouterr().err
    assert (tmp_path / "mine.mp3").read_bytes() == b"mine"
    assert run([*command, "-o", "mine.mp3", "--force"]) == 0
    assert (tmp_path / "mine.mp3").read_bytes() == recording
    capfdbinary.readouterr()
    assert run([*command, "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == recording
    assert run(["audio", "conv_none", "--base-url", service.url]) == 1
    assert "redirect the output" in on_a_terminal([*COMMAND, *command, "-o", "-"], returncode=2)


def test_sandbox_serves_made_up_conversations_until_ctrl_c(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*COMMAND, "sandbox", "--port", "0", "--conversations", "7"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url, key, example, _ = (line.split(maxsplit=1)[1] for line in lines_of(process, 4))
    assert url.startswith("http://127.0.0.1:")
    assert example == f"ELEVENLABS_API_KEY={key} convai-async list --base-url {url}"
    monkeypatch.setenv("ELEVENLABS_API_KEY", key)
    assert run(["list", "--base-url", url]) == 0
    assert capsys.readouterr().out.count("\n") == 7
    monkeypatch.setenv("ELEVENLABS_API_KEY", "another")
    assert run(["list", "--base-url", url]) == 2
    port = url.rpartition(":")[2]
    assert run(["sandbox", "--port", port]) == 2
    assert f"port {port} cannot be used" in capsys.readouterr().err
    assert end(process) == (0, "\nstopping\n")
