"""``convai-async list``."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from command_line import (
    COMMAND,
    remove_styles,
    run_in_terminal,
)

from convai_async.cli._app import run
from convai_async.cli._output import dump_json_line
from convai_async.cli._times import TimeFormatter
from convai_async.models import ConversationSummary
from convai_async.testing import FakeConvAI, faults

pytest_plugins = ["cli_fixtures"]

UTC_TIMES = TimeFormatter(utc=True)


def test_list_prints_tab_separated_lines_without_a_terminal(
    service: FakeConvAI, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["list", "--base-url", service.url, "--limit", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(service.conversations)[:7]
    assert {line.count("\t") for line in lines} == {6}


def test_list_with_json_prints_json_lines(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--base-url", service.url, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["conversation_id"] for line in lines] == list(service.conversations)[:30]


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_list_prints_a_note_when_there_are_more(
    service: FakeConvAI, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["list", "--base-url", service.url, "--limit", "39", *option]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (39, "showing the first 39; use --limit to show more\n")
    assert run(["list", "--base-url", service.url, "--limit", "40", *option]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (40, "")


def test_empty_list_prints_a_note(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--base-url", service.url, "--agent", "nope"]) == 0
    assert tuple(capsys.readouterr()) == ("", "no conversations match the filters\n")
    service.faults.add(
        faults.change(lambda page: page.update(conversations=[], has_more=False)), operation="list_conversations"
    )
    assert run(["list", "--base-url", service.url]) == 0
    assert capsys.readouterr().err == "no conversations\n"


def test_dump_json_line_prefers_the_json_of_the_service() -> None:
    pretty = b'{\n  "conversation_id": "conv_1",\n  "newer": 1.50\n}'
    kept = SimpleNamespace(raw_json=pretty)
    assert dump_json_line(kept) == b'{"conversation_id":"conv_1","newer":1.50}'  # type: ignore[arg-type]
    assert json.loads(dump_json_line(ConversationSummary(conversation_id="conv_1")))["conversation_id"] == "conv_1"


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (80, ["conversation", "started", "length", "result", "title"]),
        (70, ["conversation", "started", "result", "title"]),
        (120, ["conversation", "started", "length", "result", "agent", "title"]),
    ],
)
def test_list_table_shows_the_columns_that_fit(service: FakeConvAI, columns: int, names: list[str]) -> None:
    details = {each: service.conversations.details(each) for each in list(service.conversations)[:5]}
    shown = run_in_terminal([*COMMAND, "list", "--base-url", service.url, "--limit", "5"], columns=columns)
    assert "\x1b[32msuccess\x1b[0m" in shown
    header, *lines = remove_styles(shown).splitlines()
    assert header.split() == names
    assert max(map(len, lines)) <= columns
    for line, (conversation_id, document) in zip(lines, details.items(), strict=False):
        title = document["analysis"]["call_summary_title"]
        assert line.startswith(f"{conversation_id}  20")
        assert f"  {document['analysis']['call_successful']}  " in line
        assert title in line or f"{title[:9]}" in line, "a title has 18 columns, of which a wide character takes two"


@pytest.mark.parametrize(
    ("columns", "names"), [(52, ["conversation", "started", "result"]), (40, ["conversation", "result"])]
)
def test_list_on_a_narrow_terminal_cuts_no_ids(service: FakeConvAI, columns: int, names: list[str]) -> None:
    shown = run_in_terminal([*COMMAND, "list", "--base-url", service.url, "--limit", "3"], columns=columns)
    header, *lines = remove_styles(shown).splitlines()
    assert header.split() == names
    assert [line.split()[0] for line in lines[:3]] == list(service.conversations)[:3]


def test_list_table_does_not_interpret_markup_in_titles(service: FakeConvAI) -> None:
    title = "[/] [bold]refund[/bold] [link=https://evil.example]here[/link]"
    rename = faults.change(lambda page: page["conversations"][0].update(call_summary_title=title))
    service.faults.add(rename, operation="list_conversations")
    shown = run_in_terminal([*COMMAND, "list", "--base-url", service.url, "--limit", "1"])
    assert "[/] [bold]" in shown


def test_list_table_shows_local_time_or_utc(service: FakeConvAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    start = service.conversations[next(iter(service.conversations))].start
    command = [*COMMAND, "list", "--base-url", service.url, "--limit", "1"]
    assert TimeFormatter(utc=True).format(start + 9 * 3600, seconds=False) in run_in_terminal(command)
    shown = run_in_terminal([*command, "--utc"])
    assert "started (UTC)" in shown
    assert UTC_TIMES.format(start, seconds=False) in shown
