"""Errors of the key, the service, the memory and the output: one line and an exit code."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import COMMAND, run_in_shell

from convai_async.cli._app import run
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["cli_fixtures"]

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def test_wrong_key_exits_with_2_and_prints_what_to_check(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "wrong-key")
    assert run(["harvest", str(archive), "--base-url", service.url]) == 2
    err = capsys.readouterr().err
    assert "401" in err
    assert "check the API key" in err
    assert "wrong-key" not in err


def test_missing_key_exits_with_2_and_prints_how_to_set_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    assert run(["list"]) == 2
    err = capsys.readouterr().err
    assert err.count("ELEVENLABS_API_KEY") == 1
    assert "--sandbox" in err
    assert "api_key=" not in err, "that is for Python"


def test_unknown_conversation_exits_with_1(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "conv_none", "--base-url", service.url]) == 1
    assert "returned 404 conversation_not_found" in capsys.readouterr().err


def test_unreachable_service_exits_with_1_and_prints_what_to_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "key")
    monkeypatch.setattr("convai_async.retry.RetryPolicy.compute_backoff", lambda *_: 0.0)
    assert run(["show", "conv_1", "--base-url", f"http://127.0.0.1:{unused_tcp_port}"]) == 1
    err = capsys.readouterr().err
    assert "no connection" in err
    assert "Check the network connection and run the same command again." in err


def unknown_host(service: FakeConvAI) -> list[str]:
    return ["show", "conv_1", "--base-url", "http://no-such-host.invalid"]


def unknown_conversation(service: FakeConvAI) -> list[str]:
    return ["show", "conv_none", "--base-url", service.url]


def slow_service(service: FakeConvAI) -> list[str]:
    service.faults.add(faults.latency(30), times=None)
    return ["list", "--base-url", service.url, "--timeout", "0.05"]


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [(unknown_host, "no connection"), (unknown_conversation, "404 conversation_not_found"), (slow_service, "timeout")],
)
def test_service_error_prints_one_line_and_exits_with_1(
    service: FakeConvAI,
    prepare: Callable[[FakeConvAI], list[str]],
    problem: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("convai_async.retry.RetryPolicy.compute_backoff", lambda *_: 0.0)
    assert run(prepare(service)) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert problem in err


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (400 * 1024**2,) * 2)


def test_out_of_memory_prints_one_line_and_exits_with_1(harvested: Path) -> None:
    huge = b'{"conversation_id": "x", "transcript": [%s{}]}' % (b"{}," * 5_000_000)
    with closing(sqlite3.connect(harvested)) as connection, connection:
        (conversation_id,) = connection.execute("SELECT conversation_id FROM conversations").fetchone()
        connection.execute("UPDATE conversations SET raw = ? WHERE conversation_id = ?", (huge, conversation_id))
    command = [*COMMAND, "show", conversation_id, "--archive", str(harvested)]
    result = subprocess.run(command, check=False, capture_output=True, text=True, preexec_fn=limit_memory)
    assert result.returncode == 1
    assert result.stderr == "convai-async: out of memory\n"


@needs_dev_full
@pytest.mark.parametrize("command", ["list >&-", "list --json >/dev/full", "audio ID -o - >/dev/full"])
def test_unwritable_output_prints_one_line_and_exits_with_3(service: FakeConvAI, command: str) -> None:
    conversation_id = next(filter(service.conversations.has_audio, service.conversations))
    result = run_in_shell(f"convai-async {command.replace('ID', conversation_id)} --base-url {service.url}")
    assert result.returncode == 3
    problem = "it is closed" if ">&-" in command else "No space left on device"
    assert result.stderr == f"convai-async: cannot write to standard output: {problem}\n"


def test_broken_pipe_of_export_exits_with_3_without_a_message(harvested: Path) -> None:
    result = run_in_shell(f"convai-async export {harvested} - | true; exit ${{PIPESTATUS[0]}}")
    assert (result.returncode, result.stderr) == (3, "")


def test_broken_pipe_of_list_exits_with_3_without_a_message(service: FakeConvAI) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, "list", "--base-url", service.url, "--json"]
    result = subprocess.run(command, check=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (result.returncode, result.stderr) == (3, b"")


def test_characters_outside_the_output_encoding_are_escaped(service: FakeConvAI) -> None:
    conversation_id = next(iter(service.conversations))
    rename = faults.change(lambda document: document["analysis"].update(call_summary_title="Café 予約"))
    service.faults.add(rename, operation="get_conversation")
    command = f"convai-async show {conversation_id} --base-url {service.url}"
    result = run_in_shell(command, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert result.stdout.startswith("Caf\\xe9 \\u4e88\\u7d04\n")
    assert result.stderr == ""
