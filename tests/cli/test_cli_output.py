"""What a command does when its output, its key, its memory or the service is not there."""

from __future__ import annotations

import logging
import os
import re
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from command_line import COMMAND
from test_cli import count
from unmeasured import unmeasured

from convai_async.archive import Archive
from convai_async.archive._writer import ArchiveWriter
from convai_async.cli._app import app, run
from convai_async.cli._exit_codes import EXIT_CODES
from convai_async.cli._logging import logging_to_stderr
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["cli_fixtures"]

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def in_a_shell(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``convai-async`` and what follows in bash, with its redirections, and with buffered output."""
    quoted = " ".join(COMMAND)
    return subprocess.run(
        ["bash", "-c", command.replace("convai-async", quoted)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "", **env},
    )


@needs_dev_full
@pytest.mark.parametrize("command", ["list >&-", "list --json >/dev/full", "audio ID -o - >/dev/full"])
def test_output_that_cannot_be_written_is_one_line_and_exit_code_3(service: FakeConvAI, command: str) -> None:
    conversation_id = next(filter(service.conversations.has_audio, service.conversations))
    result = in_a_shell(f"convai-async {command.replace('ID', conversation_id)} --base-url {service.url}")
    assert result.returncode == 3
    problem = "it is closed" if ">&-" in command else "No space left on device"
    assert result.stderr == f"convai-async: cannot write to standard output: {problem}\n"


@needs_dev_full
@pytest.mark.parametrize("ending", [">&-", "--json >/dev/full", "--json | true; exit ${PIPESTATUS[0]}"])
def test_harvest_is_kept_when_its_report_cannot_be_written(service: FakeConvAI, archive: Path, ending: str) -> None:
    result = in_a_shell(f"convai-async harvest {archive} --base-url {service.url} {ending}")
    assert result.returncode == 3
    assert "The harvest itself has ended: " in result.stderr
    assert "40 found, 40 fetched" in result.stderr
    assert "Traceback" not in result.stderr
    assert count(archive) == 40
    with Archive.open(archive) as opened:
        last_run = opened.status().last_run
    assert last_run is not None
    assert last_run.ended_unix_secs is not None


@needs_dev_full
def test_harvest_goes_on_when_standard_error_is_full(service: FakeConvAI, archive: Path) -> None:
    result = in_a_shell(f"convai-async harvest {archive} -v --base-url {service.url} 2>/dev/full")
    assert (result.returncode, count(archive)) == (0, 40)


@needs_dev_full
def test_help_that_cannot_be_written_is_one_line() -> None:
    result = in_a_shell("convai-async --help >/dev/full")
    assert (result.returncode, result.stderr) == (1, "convai-async: [Errno 28] No space left on device\n")


def test_harvest_goes_on_when_standard_error_is_closed(
    service: FakeConvAI, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert run(["harvest", str(archive), "-v", "--base-url", service.url]) == 0
    assert count(archive) == 40


def test_closed_pipe_is_exit_code_3_without_a_message(harvested: Path) -> None:
    result = in_a_shell(f"convai-async export {harvested} - | true; exit ${{PIPESTATUS[0]}}")
    assert (result.returncode, result.stderr) == (3, "")


def test_characters_that_the_output_lacks_are_escaped(service: FakeConvAI) -> None:
    conversation_id = next(iter(service.conversations))
    rename = faults.change(lambda document: document["analysis"].update(call_summary_title="Café 予約"))
    service.faults.add(rename, operation="get_conversation")
    command = f"convai-async show {conversation_id} --base-url {service.url}"
    result = in_a_shell(command, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert result.stdout.startswith("Caf\\xe9 \\u4e88\\u7d04\n")
    assert result.stderr == ""


def limited_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (400 * 1024**2,) * 2)


def test_too_little_memory_is_one_line_and_exit_code_1(harvested: Path) -> None:
    with ArchiveWriter(harvested, "sandbox:30") as writer:
        row = writer._connection.execute("SELECT conversation_id FROM conversations").fetchone()
        huge = b'{"conversation_id": "x", "transcript": [%s{}]}' % (b"{}," * 5_000_000)
        with writer._connection:
            writer._connection.execute("UPDATE conversations SET raw = ? WHERE conversation_id = ?", (huge, row[0]))
    command = [*COMMAND, "show", row[0], "--archive", str(harvested)]
    result = subprocess.run(command, check=False, capture_output=True, text=True, preexec_fn=limited_memory)
    assert result.returncode == 1
    assert result.stderr == "convai-async: there is not enough memory for this\n"


def no_such_host(service: FakeConvAI) -> list[str]:
    return ["show", "conv_1", "--base-url", "http://no-such-host.invalid"]


def not_found(service: FakeConvAI) -> list[str]:
    return ["show", "conv_none", "--base-url", service.url]


def too_slow(service: FakeConvAI) -> list[str]:
    service.faults.add(faults.latency(30), times=None)
    return ["list", "--base-url", service.url, "--timeout", "0.05"]


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [(no_such_host, "no connection"), (not_found, "404 conversation_not_found"), (too_slow, "timeout")],
)
def test_failure_of_the_service_is_one_line_and_exit_code_1(
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


def test_verbose_shows_requests_and_debug_shows_tracebacks_and_neither_shows_the_key(
    service: FakeConvAI, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.retry.RetryPolicy.compute_backoff", lambda *_: 0.0)
    service.faults.add(faults.status(503), operation="list_conversations")
    assert run(["list", "--base-url", service.url, "--limit", "1", "-v"]) == 0
    err = capsys.readouterr().err
    assert re.search(r"^GET /v1/convai/conversations: 503, \d\.\d{3} s", err, re.MULTILINE)
    assert re.search(r"^attempt 1 failed, next in 0\.00 s: ", err, re.MULTILINE)
    assert re.search(r"^GET /v1/convai/conversations: 200, \d\.\d{3} s \(req_\w+\)$", err, re.MULTILINE)
    assert service.api_key not in err
    monkeypatch.setenv("ELEVENLABS_API_KEY", "wrong-key")
    assert run(["list", "--base-url", service.url, "--debug"]) == 2
    err = capsys.readouterr().err
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} DEBUG convai_async: GET /v1/convai/conversations: 401", err, re.MULTILINE)
    assert "AuthenticationError" in err
    assert "Traceback (most recent call last)" in err
    assert "wrong-key" not in err
    assert logging.getLogger("convai_async").level == logging.NOTSET, "the next command is quiet again"
    assert run(["list", "--base-url", service.url, "--limit", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_warnings_are_shown_without_being_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("convai_async")
    with logging_to_stderr():
        logger.info("not this")
        logger.warning("watching goes on\x1b[2J in %d s", 30)
        logger.error("left out", exc_info=ValueError("it broke"))
    assert capsys.readouterr().err == "watching goes on[2J in 30 s\nleft out: it broke\n"


def test_help_lists_the_exit_codes_and_how_to_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for code, meaning in EXIT_CODES.items():
        assert f"{code:>5}  {meaning}\n" in out
    for shell in ("bash", "zsh", "fish"):
        assert f"_CONVAI_ASYNC_COMPLETE={shell}_source convai-async" in out
    asked = {"COMP_WORDS": "convai-async wa", "COMP_CWORD": "1", "_CONVAI_ASYNC_COMPLETE": "bash_complete"}
    completed = subprocess.run(COMMAND, check=True, capture_output=True, text=True, env={**os.environ, **asked})
    assert completed.stdout == "plain,wait\nplain,watch\n"


def test_help_of_every_command_fits_80_columns_and_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ["", *app.list_commands(click.Context(app))]:
        assert run([*([name] if name else []), "--help"]) == 0
        out = capsys.readouterr().out
        assert re.search(rf"Examples?:\n    convai-async {name}", out)
        assert max(map(len, out.splitlines())) <= 80
        if "--since" in out:
            assert "7d, 12h, yesterday" in " ".join(out.split())


def test_help_imports_no_command_and_not_rich() -> None:
    script = "import sys; from convai_async.cli._app import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    command = [COMMAND[0], "-P", "-c", script]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=unmeasured())
    loaded = set(result.stderr.split())
    assert not {"rich", "rich.console", "sqlite3", "convai_async.harvest", "convai_async.cli._list"} & loaded
