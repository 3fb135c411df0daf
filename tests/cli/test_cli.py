from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
from command_line import COMMAND
from rich.console import Console
from threaded_service import ThreadedService

from convai_async import __version__
from convai_async.cli._app import app, run
from convai_async.cli._moments import Clock
from convai_async.cli._terminal import byte_count, clock_time, one_line, plain
from convai_async.cli._transcript import Transcript
from convai_async.models import Conversation
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]


UTC_CLOCK = Clock(utc=True)
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"


def count(archive: Path) -> int:
    connection = sqlite3.connect(archive)
    try:
        return int(connection.execute("SELECT count(*) FROM conversations").fetchone()[0])
    finally:
        connection.close()


def test_a_harvest_says_what_it_did(service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["harvest", str(archive), "--base-url", service.url]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"calls\.db: 40 found, 40 fetched \(\d+/s\), 0 unchanged, 0 failed", out)
    assert err.count("\n") == 1, "one line at once, and no more within seconds"
    assert run(["harvest", str(archive), "--base-url", service.url]) == 0
    assert "found, 0 fetched (0/s)" in capsys.readouterr().out


def test_a_harvest_with_failures_exits_with_1_and_says_what_to_do(
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


def test_harvest_that_refuses_to_prune_exits_with_1_and_says_why(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["harvest", str(archive), "--base-url", service.url, "--prune", "remove", "--lookback", "400"]
    assert run(command) == 0
    for conversation_id in list(service.conversations)[1:15]:
        service.conversations.remove(conversation_id)
    assert run(command) == 1
    assert "nothing was pruned: more conversations than --prune-limit allows" in capsys.readouterr().out
    assert run([*command, "--prune-limit", "0.4"]) == 0
    assert "14 gone from the service" in capsys.readouterr().out


def test_a_harvest_in_json_is_lines_of_json(
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


def test_every_option_of_a_harvest_reaches_it(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = list(service.conversations)
    newest, agent = service.conversations[ids[0]], service.conversations.details(ids[0])["agent_id"]
    options = ["--agent", agent, "--since", UTC_CLOCK.write(newest.start), "--until", "2100-01-01", "--utc"]
    options += ["--audio", "--max-concurrency", "2", "--limit", "5"]
    assert run(["harvest", str(archive), "--base-url", service.url, *options]) == 0
    assert "1 found, 1 fetched" in capsys.readouterr().out
    query = dict(service.requests("list_conversations")[0].query)
    assert query["agent_id"] == agent
    assert query["call_start_after_unix"] == str(newest.start - 1), "a second more, as the bounds may be exclusive"
    assert query["call_start_before_unix"] == "4102444800"


def test_the_sandbox_needs_no_key(
    archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    assert run(["harvest", str(archive), "--sandbox", "30"]) == 0
    assert count(archive) == 30
    assert run(["harvest", str(archive), "--sandbox", "30"]) == 0
    assert "found, 0 fetched" in capsys.readouterr().out
    assert run(["status", str(archive)]) == 0
    assert "of sandbox:30" in capsys.readouterr().out


def test_list_gives_lines_with_tabs_to_a_pipe(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--base-url", service.url, "--limit", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(service.conversations)[:7]
    assert {line.count("\t") for line in lines} == {6}


def test_list_gives_json_lines(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--base-url", service.url, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["conversation_id"] for line in lines] == list(service.conversations)[:30]


def test_show_gives_the_whole_transcript(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    conversation_id = next(iter(service.conversations))
    assert run(["show", conversation_id, "--base-url", service.url]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for turn in service.conversations.details(conversation_id)["transcript"]:
        assert " ".join((turn["message"] or "").split())[:40] in shown


def test_show_gives_the_service_s_own_bytes(service: FakeConvAI) -> None:
    conversation_id = next(iter(service.conversations))
    command = [*COMMAND, "show", conversation_id, "--base-url", service.url, "--json"]
    result = subprocess.run(command, check=True, capture_output=True)
    assert result.stdout == service.conversations.document(conversation_id) + b"\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["harvest"], "Missing argument 'ARCHIVE'"),
        (["harvest", "calls.db", "--since", "tomorrow"], "'tomorrow' is not a time: write 7d, 12h, yesterday,"),
        (["harvest", "calls.db", "--timeout", "0"], "--timeout"),
        (["delete", "conv_1", "--sandbox"], "cannot ask whether to delete, as there is no terminal: add --yes"),
        (["watch", "--exec", "no-such-program"], "--exec: there is no program 'no-such-program'"),
        (["watch", "--exec", "'"], "--exec: No closing quotation"),
        (["watch", "--exec", ""], "--exec: there is no program ''"),
        (["export", "none.db", "-", "--partition"], "not for standard output"),
        (["export", "none.db", "a.csv", "--format", "csv"], "the name of a file says its format"),
        (["audio", "conv_1", "--sandbox", "-o", "foreign.txt"], "add --force"),
        (["audio", "conv_1", "--sandbox", "-o", "none/a.mp3"], "the folder 'none' does not exist"),
        (["sandbox", "--port", "70000"], "--port"),
        (["harvest", "calls.db", "--limit", "0"], "--limit"),
        (["harvest", "calls.db", "--lookback", "99999999999"], "--lookback"),
        (["search", "calls.db", "x", "--limit", "99999999999999999999"], "--limit"),
        (["harvest", "calls.db", "--region", "mars"], "--region"),
        (["harvest", "calls.db", "--sandbox", "5", "--region", "eu"], "leave --base-url and --region out"),
        (["harvest", "calls.db", "--sandbox", "--since", "2026-02-01", "--until", "2026-01-01"], "since: "),
        (["harvest", "none/calls.db", "--sandbox"], "mkdir -p none"),
        (["harvest", ".", "--sandbox"], "is a folder: name a file in it"),
        (["harvest", "foreign.txt", "--sandbox"], "is not a convai archive: name another file"),
        (["harvest", "calls.db"], "export ELEVENLABS_API_KEY="),
        (["harvest", "calls.db", "--base-url", "elevenlabs.io"], "base_url must look like"),
        (["delete", "--sandbox"], "name the conversations to delete"),
        (["export", "none.db", "a.jsonl"], "there is no archive 'none.db'"),
        (["import", "calls.db", "foreign.txt"], "line 1 of 'foreign.txt' was not written by `export`"),
        (["search", "none.db", "x"], "there is no archive 'none.db'"),
        (["status", "none.db"], "make one with `convai-async harvest none.db`"),
        (["show", "", "--sandbox"], "conversation_id: must not be empty"),
        (["show"], "Missing argument 'ID'"),
        (["hravest"], "No such command 'hravest'"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_clear_error_with_exit_code_2(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    (tmp_path / "foreign.txt").write_text("my thesis")
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert problem in err
    assert out == ""
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.txt"]
    assert (tmp_path / "foreign.txt").read_text() == "my thesis"


def test_a_wrong_key_says_what_to_set(
    service: FakeConvAI, archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "wrong-key")
    assert run(["harvest", str(archive), "--base-url", service.url]) == 2
    err = capsys.readouterr().err
    assert "401" in err
    assert "export ELEVENLABS_API_KEY=" in err
    assert "wrong-key" not in err


def test_without_a_key_it_says_once_what_to_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    assert run(["list"]) == 2
    err = capsys.readouterr().err
    assert err.count("ELEVENLABS_API_KEY") == 1
    assert "--sandbox" in err
    assert "api_key=" not in err, "that is for Python"


def test_without_arguments_it_shows_the_help_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    err = capsys.readouterr().err
    assert run(["--help"]) == 0
    assert err == capsys.readouterr().out


def test_an_argument_that_sandbox_takes_for_its_number_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["harvest", "--sandbox", "calls.db"]) == 2
    assert "'calls.db' is not a number: put --sandbox last" in capsys.readouterr().err
    assert run(["list", "--sandbox", "0"]) == 2
    assert "x>=1" in capsys.readouterr().err


def test_a_search_that_finds_nothing_mentions_filters(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", str(harvested), "refund", "--since", "2100-01-01"]) == 0
    assert capsys.readouterr().err == "no turn holds all of these words in conversations that match the filters\n"


def test_a_missing_conversation_exits_with_1(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "conv_none", "--base-url", service.url]) == 1
    assert "returned 404 conversation_not_found" in capsys.readouterr().err


def test_a_service_that_is_not_there_exits_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "key")
    monkeypatch.setattr("convai_async.retry.RetryPolicy.compute_backoff", lambda *_: 0.0)
    assert run(["show", "conv_1", "--base-url", f"http://127.0.0.1:{unused_tcp_port}"]) == 1
    err = capsys.readouterr().err
    assert "no connection" in err
    assert "Run the same command again" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_what_is_under_way_and_the_same_command_goes_on(archive: Path, number: signal.Signals) -> None:
    with ThreadedService(conversations=3000, latency=0.02) as fake:
        process, command, env = harvesting(fake, archive)
        process.send_signal(number)
        out, err = process.communicate()
        assert process.returncode == 130
        assert "finishing what is under way; Ctrl-C again to stop at once" in err
        assert "Traceback" not in err
        assert "interrupted: " in out
        assert f"go on with: convai-async harvest {archive} --base-url {fake.url}" in out
        kept = count(archive)
        assert 0 < kept < 3000
        fetched = len(fake.requests("get_conversation"))
        assert fetched == kept, "what was in flight was written"
        assert run(["status", str(archive)]) == 0
        subprocess.run(command, check=True, env=env, capture_output=True)
        assert count(archive) == 3000
        assert len(fake.requests("get_conversation")) == 3000, "nothing was fetched twice"


def test_a_second_ctrl_c_stops_at_once_and_loses_nothing_that_was_written(archive: Path) -> None:
    with ThreadedService(conversations=3000, latency=0.02) as fake:
        process, command, env = harvesting(fake, archive)
        fake.faults.add(faults.latency(60), times=None)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        for line in process.stderr:
            if "Ctrl-C again" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert process.returncode == 130
        assert "Traceback" not in err
        kept = count(archive)
        assert kept > 0
        fake.faults.clear()
        subprocess.run(command, check=True, env=env, capture_output=True)
        assert count(archive) == 3000


def test_kill_9_costs_at_most_a_batch(archive: Path) -> None:
    with ThreadedService(conversations=3000, latency=0.02) as fake:
        process, command, env = harvesting(fake, archive)
        process.kill()
        process.communicate()
        kept = count(archive)
        assert 0 < kept < 3000
        subprocess.run(command, check=True, env=env, capture_output=True)
        assert count(archive) == 3000
        repeated = len(fake.requests("get_conversation")) - 3000
        assert 0 <= repeated <= 100 + 100 + 128, "a batch that is written, one that waits, and what was in flight"
        raw = sqlite3.connect(archive)
        rows = raw.execute("SELECT conversation_id, raw FROM conversations").fetchall()
        raw.close()
        assert all(document == fake.conversations.document(each) for each, document in rows)


def harvesting(fake: FakeConvAI, archive: Path) -> tuple[subprocess.Popen[str], list[str], dict[str, str]]:
    """Start a harvest, and wait until it is in the middle."""
    env = {**os.environ, "ELEVENLABS_API_KEY": fake.api_key}
    command = [*COMMAND, "harvest", str(archive), "--base-url", fake.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, text=True)
    while len(fake.requests) < 1000:
        assert process.poll() is None
    return process, command, env


def test_a_second_harvest_of_the_same_file_says_so_and_exits_with_2(archive: Path) -> None:
    with ThreadedService(conversations=3000, latency=0.02) as fake:
        process, command, env = harvesting(fake, archive)
        second = subprocess.run(command, check=False, env=env, capture_output=True, text=True)
        assert second.returncode == 2
        assert "another process is writing to" in second.stderr
        _, err = process.communicate()
        assert process.returncode == 0, err
        assert count(archive) == 3000


def test_search_says_who_said_it_and_when(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["search", str(harvested), "refund", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(re.match(STAMP + r"  conv_\w+ +\d+:\d\d (user|agent): ", line) for line in lines)
    assert run(["search", str(harvested), "refund", "--json", "--until", "2000-01-01"]) == 0
    assert capsys.readouterr().out == ""
    assert run(["search", str(harvested), "refund", "--json", "--limit", "1"]) == 0
    assert "refund" in json.loads(capsys.readouterr().out)["message"]
    assert run(["search", str(harvested), "-"]) == 2


def test_search_that_finds_nothing_says_so(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", str(harvested), "xylophone"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "no turn holds all of these words\n")


def test_show_reads_from_an_archive(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conversation_id = next(iter(FakeConvAI(conversations=30).conversations))
    capsys.readouterr()
    assert run(["show", conversation_id, "--archive", str(harvested)]) == 0
    assert conversation_id in capsys.readouterr().out
    assert run(["show", "conv_none", "--archive", str(harvested)]) == 2
    assert "has no conversation 'conv_none'" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_what_is_exported_can_be_imported(
    harvested: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exported, copy = tmp_path / f"calls{suffix}", tmp_path / "copy.db"
    assert run(["export", str(harvested), str(exported)]) == 0
    assert "30 rows" in capsys.readouterr().out
    assert run(["import", str(copy), str(exported)]) == 0
    assert count(copy) == 30
    assert run(["export", str(harvested), str(exported)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_delete_with_a_wrong_key_stops_at_once(
    service: FakeConvAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "wrong")
    (tmp_path / "ids.txt").write_text("\n".join([*service.conversations, *map(str, range(1000))]))
    assert run(["delete", "--from", str(tmp_path / "ids.txt"), "--yes", "--base-url", service.url]) == 2
    assert "Set the right key" in capsys.readouterr().err
    assert len(service.conversations) == 40
    assert len(service.requests) <= 2 * 16, "no more than were under way"


def test_delete_removes_from_an_archive_too_but_not_what_the_service_keeps(
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
    assert f"3 deleted, 1 were not there; 3 removed from {archive}" in out
    assert f"{kept}: DELETE" in err
    assert count(archive) == 37
    assert run(["show", kept, "--archive", str(archive)]) == 0


def test_a_pipe_whose_reader_has_gone_ends_the_command_without_a_word(service: FakeConvAI) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, "list", "--base-url", service.url, "--json"]
    result = subprocess.run(command, check=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (result.returncode, result.stderr) == (3, b"")


def test_help_and_version_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in app.list_commands(click.Context(app)))
    for name in app.list_commands(click.Context(app)):
        assert run([name, "--help"]) == 0
        assert "Usage: convai-async " + name in capsys.readouterr().out


def test_without_the_extra_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['click'] = None; from convai_async.cli import main; main()"
    result = subprocess.run([sys.executable, "-P", "-c", script], check=False, capture_output=True, text=True)
    assert result.returncode == 2
    assert "pip install 'convai-async[cli]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_service_s_words_do_not_steer_the_terminal() -> None:
    assert plain("a\x1b[2Jb\nc\x07") == "a[2Jb\nc"
    assert one_line("a\n\tb\r\x1b[31m") == "a b[31m"
    assert plain("1\u00a0000\u202f€\t\x85") == "1 000 €  "
    conversation = Conversation.from_json(
        b'{"conversation_id": "conv_\\u001b[2J", "transcript": [{"role": "user\\u001b[2J", "message": "\\u001b]0;x"}],'
        b' "analysis": {"transcript_summary": "\\u001b[1m", "call_summary_title": "[bold]t"}}'
    )
    console = Console(record=True, file=open(os.devnull, "w"), width=80)  # noqa: SIM115, PTH123 - for as long as the test
    transcript = Transcript(conversation, UTC_CLOCK)
    console.print(transcript.table())
    assert not any("\x1b" in line for line in transcript.lines())
    text = console.export_text()
    console.file.close()
    assert "\x1b" not in text
    assert "[bold]t" in text


def test_what_people_read_is_written_as_they_read_it() -> None:
    assert clock_time(187) == "3:07"
    assert clock_time(None) == ""
    assert UTC_CLOCK.show(0) == "1970-01-01 00:00:00"
    assert UTC_CLOCK.show(0, seconds=False) == "1970-01-01 00:00"
    assert UTC_CLOCK.write(0) == "1970-01-01T00:00:00+00:00"
    impossible = (None, 1_700_000_000_000, 10**30, -(10**15), 253402300799, -62135596800)
    assert [Clock(utc=False).write(each) for each in impossible[:4]] == [""] * 4
    for each in impossible:
        Clock(utc=False).show(each)  # the first and the last day of all years may have no local time
    assert [byte_count(size) for size in (0, 1023, 1024, 1536, 5 * 1024**2, 3 * 1024**4)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 TiB",
    ]


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ({}, ["conv_1", "no transcript"]),
        ({"transcript": [{"role": None, "message": None}]}, ["conv_1"]),
        ({"transcript": [{"role": "agent", "message": "Hi", "interrupted": True}]}, ["agent", "Hi (interrupted)"]),
        (
            {"transcript": [{"tool_results": [{"type": "telepathy"}, {"type": None}, 5]}]},
            ["of an unknown type, telepathy", "of an unknown type, unnamed"],
        ),
        (
            {"transcript": [{"tool_results": [{"type": "webhook", "tool_name": "find", "is_error": True}]}]},
            ["fails", "find"],
        ),
        (
            {
                "analysis": {
                    "call_successful": None,
                    "evaluation_criteria_results": {"polite": {"result": "failure", "rationale": "rude"}},
                    "data_collection_results": {"city": {"value": "Rome"}},
                }
            },
            ["not judged", "polite: failure (rude)", "city = Rome"],
        ),
    ],
)
def test_odd_conversations_are_shown_too(document: dict[str, Any], shown: list[str]) -> None:
    conversation = Conversation.from_json(json.dumps({"conversation_id": "conv_1"} | document))
    console, transcript = Console(width=100), Transcript(conversation, UTC_CLOCK)
    with console.capture() as capture:
        console.print(transcript.table())
    lines = "\n".join(transcript.lines())
    for text in shown:
        assert text in capture.get()
        assert text in lines or text == "no transcript"
