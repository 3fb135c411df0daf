"""``convai-async harvest`` and ``convai-async status``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import COMMAND, count_conversations, run_in_shell, run_in_terminal

from convai_async._transport.limiter import ConcurrencyLimiter
from convai_async.archive import Archive
from convai_async.cli._app import app, run
from convai_async.cli._commands._harvest import _format_summary
from convai_async.cli._times import TimeFormatter
from convai_async.harvest import HarvestReport
from convai_async.testing import FakeConvAI, faults

pytest_plugins = ["cli_fixtures"]

UTC_TIMES = TimeFormatter(utc=True)
needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def test_harvest_prints_its_counts(service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["harvest", str(archive), "--base-url", service.url]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"calls\.db: 40 found, 40 fetched \(\d+/s\), 0 unchanged, 0 failed", out)
    assert err.count("\n") == 1, "the first line, and no more within ten seconds"
    assert run(["harvest", str(archive), "--base-url", service.url]) == 0
    assert "found, 0 fetched (0/s)" in capsys.readouterr().out


def test_harvest_with_failures_exits_with_1_and_prints_what_to_do(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = next(iter(service.conversations))
    service.faults.add(faults.status(403, "no_access"), path=bad, times=None)
    assert run(["harvest", str(archive), "--base-url", service.url]) == 1
    out = capsys.readouterr().out
    assert f"1 failed: see `convai-async status {archive}`" in out
    assert run(["status", str(archive)]) == 0
    out = capsys.readouterr().out
    assert "39 conversations" in out
    assert f"{bad}, conversation: GET /v1/convai/conversations/{bad} returned 403 no_access" in out


@pytest.mark.parametrize("list_complete", [False, True])
def test_summary_of_an_interrupted_harvest_has_no_estimate(archive: Path, list_complete: bool) -> None:
    report = HarvestReport(found=9, fetched=3, left_to_list=5_000, interrupted=True, list_complete=list_complete)
    *_, summary = _format_summary(archive, report, UTC_TIMES).splitlines()
    unread = "" if list_complete else ", and the list was not read to its end"
    assert summary.startswith(f"interrupted: 6 of the found conversations are left{unread}; resume with: ")


def test_harvest_above_the_prune_limit_exits_with_1_and_prints_why(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["harvest", str(archive), "--base-url", service.url, "--prune", "remove", "--lookback", "400"]
    assert run(command) == 0
    for conversation_id in list(service.conversations)[1:15]:
        service.conversations.remove(conversation_id)
    assert run(command) == 1
    refusal = (
        r"nothing was pruned: \d+ or more conversations are missing at the service, more than --prune-limit allows"
    )
    assert re.search(refusal, capsys.readouterr().out)
    assert run([*command, "--prune-limit", "0.4"]) == 0
    assert "14 deleted at the service" in capsys.readouterr().out


def test_harvest_with_json_prints_json_lines(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["harvest", str(archive), "--base-url", service.url, "--json"]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in lines] == ["progress", "report"]
    assert lines[-1]["fetched"] == 40
    assert lines[-1]["complete"] is True
    assert err == ""
    assert run(["status", str(archive), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["conversations"], status["failed"]) == (40, [])


def test_harvest_options_reach_the_requests(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = list(service.conversations)
    newest, agent = service.conversations[ids[0]], service.conversations.details(ids[0])["agent_id"]
    options = ["--agent", agent, "--since", UTC_TIMES.format_iso(newest.start), "--until", "2100-01-01", "--utc"]
    options += ["--audio", "--max-concurrency", "2", "--limit", "5"]
    assert run(["harvest", str(archive), "--base-url", service.url, *options]) == 0
    assert "1 found, 1 fetched" in capsys.readouterr().out
    query = dict(service.requests("list_conversations")[0].query)
    assert query["agent_id"] == agent
    assert query["call_start_after_unix"] == str(newest.start - 1), "a second more, as the bounds may be exclusive"
    assert query["call_start_before_unix"] == "4102444800"


def test_harvest_share_option_reaches_the_limiter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    make = ConcurrencyLimiter.__init__

    def noted(self: ConcurrencyLimiter, maximum: int, share: float = 1.0) -> None:
        shares.append(share)
        make(self, maximum, share)

    monkeypatch.setattr(ConcurrencyLimiter, "__init__", noted)
    command = ["harvest", str(tmp_path / "calls.db"), "--sandbox", "5"]
    assert CliRunner().invoke(app, [*command, "--share", "0.5"]).exit_code == 0
    assert CliRunner().invoke(app, command).exit_code == 0
    assert shares == [0.5, 1.0]
    for share in ("0", "1.5"):
        assert CliRunner().invoke(app, [*command, "--share", share]).exit_code == 2


def test_harvest_with_sandbox_needs_no_key(
    archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    assert run(["harvest", str(archive), "--sandbox", "30"]) == 0
    assert count_conversations(archive) == 30
    assert run(["harvest", str(archive), "--sandbox", "30"]) == 0
    assert "found, 0 fetched" in capsys.readouterr().out
    assert run(["status", str(archive)]) == 0
    assert "from sandbox:30" in capsys.readouterr().out


def test_harvest_on_a_terminal_shows_a_progress_bar_and_the_counts(service: FakeConvAI, archive: Path) -> None:
    shown = run_in_terminal([*COMMAND, "harvest", str(archive), "--base-url", service.url], columns=80)
    assert "\x1b[" in shown
    assert "40 found, 40 fetched" in shown


@needs_dev_full
@pytest.mark.parametrize("ending", [">&-", "--json >/dev/full", "--json | true; exit ${PIPESTATUS[0]}"])
def test_harvest_with_unwritable_report_keeps_the_archive(service: FakeConvAI, archive: Path, ending: str) -> None:
    result = run_in_shell(f"convai-async harvest {archive} --base-url {service.url} {ending}")
    assert result.returncode == 3
    assert "report of the harvest: " in result.stderr
    assert "40 found, 40 fetched" in result.stderr
    assert "Traceback" not in result.stderr
    assert count_conversations(archive) == 40
    with Archive.open(archive) as opened:
        last_run = opened.status().last_run
    assert last_run is not None
    assert last_run.ended_unix_secs is not None


@needs_dev_full
def test_harvest_continues_when_standard_error_is_full(service: FakeConvAI, archive: Path) -> None:
    result = run_in_shell(f"convai-async harvest {archive} -v --base-url {service.url} 2>/dev/full")
    assert (result.returncode, count_conversations(archive)) == (0, 40)


def test_harvest_continues_when_standard_error_is_closed(
    service: FakeConvAI, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert run(["harvest", str(archive), "-v", "--base-url", service.url]) == 0
    assert count_conversations(archive) == 40
