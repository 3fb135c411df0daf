"""``convai-async harvest --workspaces``, ``--every`` and ``--health-port``."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import urllib.request
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from command_line import COMMAND, count_conversations, remove_styles, run_in_terminal
from rich.console import Console
from threaded_service import ThreadedService

from convai_async.cli._app import run
from convai_async.cli._display import _live_display
from convai_async.cli._display._live_workspaces import LiveWorkspaces
from convai_async.cli._display._workspace_counts import WorkspaceCounts
from convai_async.cli._rounds import run_rounds
from convai_async.cli._times import TimeFormatter
from convai_async.errors import ConfigurationError, ConvAIError
from convai_async.harvest import Workspace, WorkspaceReport
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import anyio

    from convai_async.cli._monitor import HarvestMonitor

pytest_plugins = ["cli_fixtures"]


@pytest.fixture
def services() -> Iterator[dict[str, FakeConvAI]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(ThreadedService(conversations=5, seed=seed, api_key=f"key-of-{name}"))
            for seed, name in enumerate(("acme", "beta"))
        }


@pytest.fixture
def workspaces(services: dict[str, FakeConvAI], tmp_path: Path) -> Path:
    file = tmp_path / "workspaces.toml"
    for name, fake in services.items():
        (tmp_path / f"{name}.key").write_text(fake.api_key)
        with file.open("a") as opened:
            opened.write(
                f'[[workspaces]]\nname = "{name}"\nkey = "file:{name}.key"\narchive = "{name}.db"\n'
                f'base_url = "{fake.url}"\n'
            )
    return file


def test_workspaces_are_harvested_and_listed(workspaces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["harvest", "--workspaces", str(workspaces)]) == 0
    out, err = capsys.readouterr()
    *table, summary = out.splitlines()
    assert [line.split() for line in table] == [
        ["workspace", "found", "fetched", "failed", "archive"],
        ["acme", "5", "5", "0", str(workspaces.with_name("acme.db"))],
        ["beta", "5", "5", "0", str(workspaces.with_name("beta.db"))],
    ]
    assert summary.startswith("2 of 2 workspaces are complete; 10 conversations fetched in ")
    assert sorted(line.partition(" (")[0] for line in err.splitlines()) == [
        "acme: 5 found, 5 fetched",
        "beta: 5 found, 5 fetched",
    ]
    assert count_conversations(workspaces.with_name("acme.db")) == 5


def test_verbose_lines_begin_with_the_workspace(workspaces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["harvest", "--workspaces", str(workspaces), "--verbose"]) == 0
    err = capsys.readouterr().err
    for name in ("acme", "beta"):
        assert f"\n{name}: GET /v1/convai/conversations/" in err


def test_failed_workspace_does_not_stop_the_others_and_exits_with_1(
    workspaces: Path, services: dict[str, FakeConvAI], capsys: pytest.CaptureFixture[str]
) -> None:
    workspaces.with_name("acme.key").write_text("revoked")
    assert run(["harvest", "--workspaces", str(workspaces)]) == 1
    out = capsys.readouterr().out
    assert "acme: failed: GET /v1/convai/conversations returned 401" in out
    assert "1 of 2 workspaces are complete; 5 conversations fetched" in out
    workspaces.with_name("acme.key").write_text(services["acme"].api_key)
    services["acme"].faults.add(faults.status(403), operation="get_conversation")
    assert run(["harvest", "--workspaces", str(workspaces)]) == 1
    archive = workspaces.with_name("acme.db")
    assert f"acme: 1 failed: see `convai-async status {archive}`" in capsys.readouterr().out


def test_workspaces_with_json_print_json_lines(workspaces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspaces.with_name("beta.key").unlink()
    assert run(["harvest", "--workspaces", str(workspaces), "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["report", "report", "summary"]
    reports = {line["workspace"]: line for line in lines[:2]}
    assert (reports["acme"]["status"], reports["acme"]["fetched"], reports["acme"]["complete"]) == ("done", 5, True)
    assert "cannot be read" in reports["beta"]["error"]
    assert (lines[-1]["complete"], lines[-1]["failed"], lines[-1]["fetched"]) == (1, 1, 5)


def test_terminal_shows_running_workspaces_and_problems(workspaces: Path, services: dict[str, FakeConvAI]) -> None:
    workspaces.with_name("beta.key").unlink()
    services["acme"].faults.add(faults.latency(0.3), times=2)
    command = [*COMMAND, "harvest", "--workspaces", str(workspaces)]
    shown = remove_styles(run_in_terminal(command, columns=160, returncode=1))
    assert "acme  0 found" in shown
    assert "of 2 workspaces ended, " in shown
    assert "beta: failed: key: " in shown


def test_terminal_shows_as_many_workspaces_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=100, height=8)
    monkeypatch.setattr(_live_display, "get_stderr_console", lambda: console)
    display = LiveWorkspaces(WorkspaceCounts(20), TimeFormatter(utc=True))
    for number in range(9):
        workspace = Workspace(name=f"w{number}", key="env:KEY", archive="a.db")
        display.update(WorkspaceReport(workspace=workspace, status="running"))
    with console.capture() as captured:
        console.print(display.render())
    lines = captured.get().splitlines()
    assert [line.split()[0] for line in lines] == ["w0", "w1", "w2", "w3", "w4", "and", "0"]
    assert lines[-2:] == ["and 4 more", "0 of 20 workspaces ended, 9 running; 0 conversations fetched (0/s)"]


def test_summary_line_follows_every_ten_seconds(
    workspaces: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("convai_async.cli._display._progress._SECONDS_BETWEEN_LINES", 0)
    assert run(["harvest", "--workspaces", str(workspaces)]) == 0
    assert "0 of 2 workspaces ended, 1 running; 0 conversations fetched" in capsys.readouterr().err
    assert run(["harvest", "--workspaces", str(workspaces), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["event"] == "progress"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Missing argument 'ARCHIVE' (or --workspaces FILE)."),
        (["calls.db", "--workspaces", "w.toml"], "Pass either ARCHIVE or --workspaces FILE, not both."),
        (["calls.db", "--at-once", "3"], "--at-once needs --workspaces."),
        (["--workspaces", "w.toml", "--audio"], "--audio cannot be combined with --workspaces"),
        (["--workspaces", "w.toml", "--base-url", "http://x"], "--base-url cannot be combined with --workspaces"),
        (["--workspaces", "missing.toml"], "'missing.toml': it cannot be read: No such file or directory"),
        (["calls.db", "--every", "soon"], "'soon' is not a length of time"),
        (["calls.db", "--every", "0s"], "'0s' is not a length of time"),
        (["calls.db", "--every", "99999999999w"], "'99999999999w' is not a length of time"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["harvest", *arguments]) == 2
    assert problem in capsys.readouterr().err


async def test_rounds_continue_after_errors_until_the_command_is_stopped() -> None:
    monitors: list[HarvestMonitor] = []
    problems = [ConvAIError("the service is down"), OSError("the disk is full"), None]

    async def harvest_once(monitor: HarvestMonitor, stop: anyio.Event) -> int:
        monitors.append(monitor)
        problem = problems[len(monitors) - 1]
        if problem is not None:
            raise problem
        stop.set()
        return 130

    code = await run_rounds(harvest_once, every=timedelta(milliseconds=1), health_port=None, health_host="")
    assert (code, len(monitors), monitors[-1].rounds) == (0, 3, 3)


async def test_wrong_configuration_ends_the_rounds() -> None:
    async def harvest_once(monitor: HarvestMonitor, stop: anyio.Event) -> int:
        raise ConfigurationError("there is no API key")

    with pytest.raises(ConfigurationError):
        await run_rounds(harvest_once, every=timedelta(hours=1), health_port=None, health_host="")


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return the line of standard error that contains a text."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    pytest.fail(f"it ended before it printed {text!r}: {process.wait()}")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as response:
        content: bytes = response.read()
    return content.decode()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    with ExitStack() as stack:

        def start_process(*arguments: str, **env: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*COMMAND, "harvest", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **env},
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start_process


def test_repeated_harvest_serves_health_and_metrics_until_sigterm(
    workspaces: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    workspaces.with_name("beta.key").write_text("revoked")
    process = start("--workspaces", str(workspaces), "--every", "1h", "--health-port", "0")
    url = read_until(process, "health checks and metrics on").split()[-1]
    assert url.startswith("http://127.0.0.1:")
    assert get(f"{url}/healthz") == "ok\n"
    read_until(process, "next harvest in 60 min")
    facts = json.loads(get(f"{url}/readyz"))
    assert facts == {"ready": True, "stopping": False, "rounds": 1, "workspaces": 2, "running": 0}
    metrics = get(f"{url}/metrics").splitlines()
    assert 'convai_fetched_total{workspace="acme"} 5.0' in metrics
    assert 'convai_harvests_total{outcome="complete",workspace="acme"} 1.0' in metrics
    assert 'convai_harvests_total{outcome="failed",workspace="beta"} 1.0' in metrics
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert "1 of 2 workspaces are complete" in out


def test_interrupted_harvest_writes_running_requests_and_says_what_is_left(
    workspaces: Path, services: dict[str, FakeConvAI], start: Callable[..., subprocess.Popen[str]]
) -> None:
    acme = services["acme"]
    acme.faults.add(faults.latency(0.5), operation="get_conversation", times=None)
    process = start("--workspaces", str(workspaces), "--at-once", "1")
    while not acme.requests("get_conversation"):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate()
    assert process.returncode == 130
    assert "\nacme: interrupted\nbeta: not harvested\n0 of 2 workspaces are complete" in out
    fetched = len(acme.requests("get_conversation"))
    assert count_conversations(workspaces.with_name("acme.db")) == fetched > 0
    assert not workspaces.with_name("beta.db").exists()


@pytest.mark.parametrize("many", [True, False])
def test_sigterm_finishes_requests_and_a_second_one_stops_immediately(
    many: bool, workspaces: Path, services: dict[str, FakeConvAI], start: Callable[..., subprocess.Popen[str]]
) -> None:
    acme = services["acme"]
    for fake in services.values():
        fake.faults.add(faults.latency(60), operation="get_conversation", times=None)
    single = (str(workspaces.with_name("acme.db")), "--base-url", acme.url)
    arguments = ("--workspaces", str(workspaces)) if many else single
    process = start(*arguments, "--every", "1h", ELEVENLABS_API_KEY=acme.api_key)
    while not acme.requests("get_conversation"):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    read_until(process, "stopping: waiting for running requests")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err


def test_repeated_harvest_of_one_archive_survives_a_revoked_key(
    archive: Path, services: dict[str, FakeConvAI], start: Callable[..., subprocess.Popen[str]]
) -> None:
    arguments = (str(archive), "--base-url", services["acme"].url, "--every", "12h")
    process = start(*arguments, "--health-port", "0", ELEVENLABS_API_KEY="revoked")
    url = read_until(process, "health checks and metrics on").split()[-1]
    assert "returned 401" in read_until(process, "convai-async: ")
    read_until(process, "next harvest in 12.0 h")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get(f"{url}/readyz")
    assert 'convai_harvests_total{outcome="failed",workspace="calls.db"} 1.0' in get(f"{url}/metrics").splitlines()
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
