"""``convai-async show``."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from command_line import COMMAND, remove_styles, run_in_terminal
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from convai_async.cli._app import run
from convai_async.cli._display._transcript import TranscriptView
from convai_async.cli._formatting import strip_control_chars, to_single_line
from convai_async.cli._times import TimeFormatter
from convai_async.models import Conversation
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]

UTC_TIMES = TimeFormatter(utc=True)


def test_show_prints_the_whole_transcript(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    conversation_id = next(iter(service.conversations))
    assert run(["show", conversation_id, "--base-url", service.url]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for turn in service.conversations.details(conversation_id)["transcript"]:
        assert " ".join((turn["message"] or "").split())[:40] in shown


def test_show_with_json_prints_the_bytes_of_the_service(service: FakeConvAI) -> None:
    conversation_id = next(iter(service.conversations))
    command = [*COMMAND, "show", conversation_id, "--base-url", service.url, "--json"]
    result = subprocess.run(command, check=True, capture_output=True)
    assert result.stdout == service.conversations.document(conversation_id) + b"\n"


def test_show_reads_from_an_archive(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conversation_id = next(iter(FakeConvAI(conversations=30).conversations))
    capsys.readouterr()
    assert run(["show", conversation_id, "--archive", str(harvested)]) == 0
    assert conversation_id in capsys.readouterr().out
    assert run(["show", "conv_none", "--archive", str(harvested)]) == 2
    assert "has no conversation 'conv_none'" in capsys.readouterr().err


def test_show_without_an_api_key_names_the_option_for_an_archive(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    assert run(["show", "conv_1"]) == 2
    assert "or read from an archive with --archive" in capsys.readouterr().err
    monkeypatch.setenv("ELEVENLABS_API_KEY", "a key")
    assert run(["show", "conv_1", "--region", "eu", "--base-url", "http://localhost"]) == 2
    assert "pass either region or base_url" in capsys.readouterr().err


def test_show_prints_each_turn_as_one_line_without_a_terminal(
    service: FakeConvAI, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation_id = next(iter(service.conversations))
    message = "first line\nsecond\tline  " + "long " * 100 + "end"
    result = {"type": "webhook", "tool_name": "find", "result_value": "x" * 5000}
    longer = faults.change(
        lambda document: document.update(transcript=[{"role": "user", "message": message, "tool_results": [result]}])
    )
    service.faults.add(longer, operation="get_conversation")
    assert run(["show", conversation_id, "--base-url", service.url, "--utc"]) == 0
    out = capsys.readouterr().out
    assert f"user: first line second line {'long ' * 100}end\n" in out
    assert f"tool result: find {'x' * 5000}\n" in out
    assert not any(line.endswith(" ") for line in out.splitlines()), "nothing is padded"
    assert "\x1b" not in out
    assert " UTC | " in out


@given(st.text(), st.sampled_from(["user", "agent", None, "\n"]))
def test_transcript_has_one_line_per_turn_for_any_message(message: str, role: str | None) -> None:
    document = {"conversation_id": "conv_1", "transcript": [{"role": role, "message": message or "x"}] * 3}
    transcript = TranscriptView(Conversation.from_json(json.dumps(document)), TimeFormatter(utc=True))
    text = "\n".join(transcript.format_lines())
    assert len(text.splitlines()) == 2 + 3


def test_show_on_a_terminal_wraps_lines_and_shortens_tool_results(service: FakeConvAI) -> None:
    conversation_id = next(iter(service.conversations))
    result = {"type": "webhook", "tool_name": "find", "result_value": "x" * 1000}
    longer = faults.change(lambda document: document["transcript"][0].update(tool_results=[result]))
    service.faults.add(longer, operation="get_conversation")
    shown = remove_styles(run_in_terminal([*COMMAND, "show", conversation_id, "--base-url", service.url], columns=60))
    assert max(map(len, shown.splitlines())) <= 60
    assert "(600 more characters; use --json)" in " ".join(shown.split())


def test_transcript_contains_no_control_characters_or_markup() -> None:
    assert strip_control_chars("a\x1b[2Jb\nc\x07") == "a[2Jb\nc"
    assert to_single_line("a\n\tb\r\x1b[31m") == "a b[31m"
    assert strip_control_chars("1\u00a0000\u202f€\t\x85") == "1 000 €  "
    conversation = Conversation.from_json(
        b'{"conversation_id": "conv_\\u001b[2J", "transcript": [{"role": "user\\u001b[2J", "message": "\\u001b]0;x"}],'
        b' "analysis": {"transcript_summary": "\\u001b[1m", "call_summary_title": "[bold]t"}}'
    )
    console = Console(record=True, file=open(os.devnull, "w"), width=80)  # noqa: SIM115, PTH123 - for as long as the test
    transcript = TranscriptView(conversation, UTC_TIMES)
    console.print(transcript.render())
    assert not any("\x1b" in line for line in transcript.format_lines())
    text = console.export_text()
    console.file.close()
    assert "\x1b" not in text
    assert "[bold]t" in text


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ({}, ["conv_1", "no transcript"]),
        ({"transcript": [{"role": None, "message": None}]}, ["conv_1"]),
        ({"transcript": [{"role": "agent", "message": "Hi", "interrupted": True}]}, ["agent", "Hi (interrupted)"]),
        (
            {"transcript": [{"tool_results": [{"type": "telepathy"}, {"type": None}, 5]}]},
            ["unknown type: telepathy", "unknown type: none"],
        ),
        (
            {"transcript": [{"tool_results": [{"type": "webhook", "tool_name": "find", "is_error": True}]}]},
            ["tool error", "find"],
        ),
        (
            {
                "analysis": {
                    "call_successful": None,
                    "evaluation_criteria_results": {"polite": {"result": "failure", "rationale": "rude"}},
                    "data_collection_results": {"city": {"value": "Rome"}},
                }
            },
            ["evaluation: none", "polite: failure (rude)", "city = Rome"],
        ),
    ],
)
def test_transcript_with_missing_or_unknown_values_is_shown(document: dict[str, Any], shown: list[str]) -> None:
    conversation = Conversation.from_json(json.dumps({"conversation_id": "conv_1"} | document))
    console, transcript = Console(width=100), TranscriptView(conversation, UTC_TIMES)
    with console.capture() as capture:
        console.print(transcript.render())
    lines = "\n".join(transcript.format_lines())
    for text in shown:
        assert text in capture.get()
        assert text in lines or text == "no transcript"
