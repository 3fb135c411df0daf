"""``convai-async talk``."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from command_line import COMMAND, interrupt
from typed_terminal import TypedTerminal

from convai_async.cli._app import run
from convai_async.cli._commands import _talk
from convai_async.live import read_wav, write_wav
from convai_async.testing.live import faults
from convai_async.testing.live.audio import FORMATS, build_tone

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI
    from convai_async.testing.live import Turn

pytest_plugins = ["cli_fixtures"]


def talk(service: FakeConvAI, typed: str, *options: str) -> tuple[int, str, str]:
    """Run the command with a file as its input; return the exit code, standard output and standard error."""
    command = [*COMMAND, "talk", "agent_1", "--base-url", service.url, *options]
    result = subprocess.run(command, input=typed, capture_output=True, text=True, check=False, timeout=60)
    return result.returncode, result.stdout, result.stderr


def test_each_line_of_a_pipe_is_sent_after_the_reply_to_the_one_before(service: FakeConvAI, tmp_path: Path) -> None:
    async def reply(turn: Turn) -> str:
        if "page" in turn.text:
            result = await turn.call_tool("show", {"page": 1})
            return f"{result.result}\x1b[2J"
        return f"You said:\n{turn.text}"

    service.live.add_agent("agent_1", first_message="Hello!", reply=reply)
    saved = tmp_path / "talk.jsonl"
    code, out, err = talk(service, "Hi\n\nA page, please\nlast", "--save", str(saved))
    assert code == 0, err
    [live] = service.live.conversations
    assert err == f"conversation {live.conversation_id}\n"
    *lines, tool_call, tool_error, refused, user, last = out.splitlines()
    assert lines == ["agent: Hello!", "user: Hi", "agent: You said: Hi", "user: A page, please"]
    assert (tool_call, tool_error) == ('tool call: show {"page":1}', "tool error: show")
    assert refused.startswith("agent: ")
    assert "\x1b" not in refused
    assert (user, last) == ("user: last", "agent: You said: last")
    assert live.text_only
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    history = [json.loads(line) for line in saved.read_text().splitlines()]
    assert [each["text"] for each in history if each["type"] == "user_message"] == ["Hi", "A page, please", "last"]
    assert {"agent_response", "client_tool_call"} <= {each["type"] for each in history}
    assert not {"audio", "ping", "agent_chat_response_part"} & {each["type"] for each in history}


def test_existing_file_is_not_overwritten(
    service: FakeConvAI, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "notes.txt"
    saved.write_text("mine")
    assert run(["talk", "agent_1", "--base-url", service.url, "--save", str(saved)]) == 2
    assert saved.read_text() == "mine"
    assert "already exists: choose another file" in capsys.readouterr().err
    assert not service.requests


def test_files_are_checked_before_the_conversation_starts(
    service: FakeConvAI, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.live.add_agent("agent_1")
    start = ["talk", "agent_1", "--base-url", service.url]
    missing, wav = tmp_path / "missing", tmp_path / "question.wav"
    write_wav(wav, build_tone(FORMATS["pcm_16000"], 0.05), "pcm_16000")
    assert run([*start, "--save", str(missing / "talk.jsonl")]) == 2
    assert f"no file can be created in {str(missing)!r}" in capsys.readouterr().err
    assert run([*start, "--wav", str(wav), "--out", str(missing / "reply.wav")]) == 2
    assert f"no file can be created in {str(missing)!r}" in capsys.readouterr().err
    for content in (b"", b"ID3 is not RIFF"):
        wav.write_bytes(content)
        assert run([*start, "--wav", str(wav), "--out", str(tmp_path / "reply.wav")]) == 2
        assert f"{str(wav)!r} is not a WAV file of 16-bit PCM" in capsys.readouterr().err
    assert not service.requests


def test_json_prints_events_and_messages(service: FakeConvAI, tmp_path: Path) -> None:
    async def reply(turn: Turn) -> str:
        await turn.send({"type": "new", "text": "a\nb"})
        await turn.conversation.write_text("not\nJSON")
        return "Hello"

    service.live.add_agent("agent_1", first_message="Hello!", reply=reply)
    lines = tmp_path / "lines.txt"
    lines.write_text("Hi\n/quit\nnot sent\n")
    command = [*COMMAND, "talk", "agent_1", "--base-url", service.url, "--json"]
    with lines.open() as typed:  # a file, which event loops cannot wait for
        result = subprocess.run(command, stdin=typed, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    printed = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [each if isinstance(each, str) else each["type"] for each in printed]
    assert kinds == [
        "conversation_initiation_metadata",
        "agent_response",
        "agent_response_complete",
        "user_message",
        "new",
        "not\nJSON",
        "agent_response",
        "agent_response_complete",
    ]


def test_reply_that_takes_too_long_ends_the_conversation(service: FakeConvAI, tmp_path: Path) -> None:
    service.live.add_agent("agent_1", transcribe=lambda _: "")  # hears silence, so it does not reply
    wav = tmp_path / "question.wav"
    write_wav(wav, build_tone(FORMATS["pcm_16000"], 0.05), "pcm_16000")
    code, _, err = talk(service, "", "--wav", str(wav), "--out", str(tmp_path / "reply.wav"), "--timeout", "0.5")
    assert code == 1
    assert err.endswith("the agent's reply was not complete after 0.5 s; --timeout sets another limit\n")


def test_wav_file_is_spoken_and_the_reply_written(
    service: FakeConvAI, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.live.add_agent("agent_1", first_message="Hello!", transcribe=lambda _: "Hi", output_format="ulaw_8000")
    question, reply = tmp_path / "question.wav", tmp_path / "reply.wav"
    write_wav(question, build_tone(FORMATS["pcm_16000"], 0.05), "pcm_16000")
    speak = ["talk", "agent_1", "--base-url", service.url, "--wav", str(question)]
    assert run([*speak, "--out", str(reply)]) == 0
    out, err = capsys.readouterr()
    assert out == "agent: Hello!\nuser: Hi\nagent: You said: Hi\n"
    assert f"{reply}: 0.5 s" in err
    assert len(read_wav(reply, "pcm_8000")) == 2 * 8000 * 12 * 40 // 1000
    assert run([*speak, "--out", str(reply)]) == 2, "the reply exists"
    assert run(speak) == 2, "--out is missing"
    write_wav(question, build_tone(FORMATS["pcm_8000"], 0.05), "pcm_8000")
    capsys.readouterr()
    assert run([*speak, "--out", str(tmp_path / "other.wav")]) == 2
    assert "ffmpeg" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ({"first_message": "Hello {{name}}!"}, "Missing required dynamic variables in first message: {'name'}"),
        ({"concurrency_limit": 0, "queue_timeout": 0.01}, "Queue wait timed out"),
    ],
)
def test_refusal_is_one_clear_message(
    service: FakeConvAI, capsys: pytest.CaptureFixture[str], agent: dict[str, object], problem: str
) -> None:
    service.live.add_agent("agent_1", **agent)  # type: ignore[arg-type]
    assert run(["talk", "agent_1", "--base-url", service.url]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert problem in err
    assert len(err.splitlines()) == 1


def test_unknown_agent_and_wrong_key(
    service: FakeConvAI, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["talk", "agent_x", "--base-url", service.url]) == 1
    assert "The agent does not exist" in capsys.readouterr().err
    monkeypatch.setenv("ELEVENLABS_API_KEY", "wrong")
    assert run(["talk", "agent_x", "--base-url", service.url]) == 2
    assert capsys.readouterr().err.lower().count("check ") == 1, "the advice of the error is enough"


def test_agent_that_does_not_allow_text_only_is_talked_to_with_its_audio(service: FakeConvAI) -> None:
    service.live.add_agent("agent_1", first_message="Hello!", allowed_overrides=())
    code, out, err = talk(service, "Hi\n")
    assert (code, out) == (0, "agent: Hello!\nuser: Hi\nagent: You said: Hi\n")
    assert "the agent does not allow text-only conversations" in err
    assert not service.live.conversations[1].text_only


@pytest.mark.parametrize("is_lost", [False, True])
def test_end_by_the_other_side_is_reported(service: FakeConvAI, is_lost: bool) -> None:
    async def reply(turn: Turn) -> None:
        await turn.say("Bye.")
        await turn.end_call()

    service.live.add_agent("agent_1", first_message="Hello!", reply=reply)
    if is_lost:
        service.live.faults.add(faults.drop(), event="agent_response", skip=1)
    with TypedTerminal([*COMMAND, "talk", "agent_1", "--base-url", service.url]) as terminal:
        terminal.read_until("> ")
        terminal.type("Hi\n")
        code, output = terminal.read_to_end()
    assert code == (1 if is_lost else 0)
    assert ("connection was lost" if is_lost else "the agent ended it") in output


def test_terminal_shows_streamed_words_tools_and_a_prompt(service: FakeConvAI) -> None:
    async def reply(turn: Turn) -> None:
        await turn.call_tool("show")
        await turn.ask_approval("refund")
        await turn.say("A long\x1b[2J story")
        if turn.text == "go on":
            await turn.conversation.wait_for("user_activity")

    service.live.add_agent("agent_1", first_message="Hello!", reply=reply)
    with TypedTerminal([*COMMAND, "talk", "agent_1", "--base-url", service.url]) as terminal:
        assert "agent: Hello!\r\n> " in terminal.read_until("> ")
        terminal.type("\n")
        terminal.read_until("> ")
        terminal.type("Hi\n")
        shown = terminal.read_until("> ")
        assert "tool call: show {}\r\ntool error: show\r\nMCP tool call: refund (awaiting_approval)\r\n" in shown
        assert shown.endswith("agent: A long[2J story\r\n> ")
        terminal.type("go on\n")
        terminal.read_until("> ")
        terminal.type("wait\n")  # interrupts
        assert "agent was interrupted: " in terminal.read_until("> ")
        terminal.type("half a line")
        terminal.read_until("half a line")
        terminal.interrupt()
        terminal.read_until("press Ctrl-C again, or type /quit, to end the conversation")
        terminal.interrupt()
        code, output = terminal.read_to_end()
    assert code == 0
    assert output.rstrip().endswith("stopping")
    assert service.live.conversations[0].closed == (1000, "User ended conversation", "client")


@pytest.mark.parametrize("typed", ["/quit\n", "\x04"])
def test_quit_and_end_of_input_end_the_conversation(service: FakeConvAI, typed: str) -> None:
    service.live.add_agent("agent_1", first_message="" if typed == "/quit\n" else "Hello!")
    with TypedTerminal([*COMMAND, "talk", "agent_1", "--base-url", service.url]) as terminal:
        terminal.read_until("> ")
        terminal.type(typed)
        assert terminal.read_to_end()[0] == 0
    assert service.live.conversations[0].closed == (1000, "User ended conversation", "client")


async def test_conversation_stays_open_while_the_user_thinks(
    fake: FakeConvAI, client: ConvAIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_talk, "_ACTIVITY_SECS", 0.0)
    async with client.conversations.connect("agent_billing") as live:
        staying = asyncio.create_task(_talk._stay_active(live))
        await fake.live[live.conversation_id].wait_for("user_activity")
    await staying


def test_first_interrupt_stops_a_pipe(service: FakeConvAI) -> None:
    command = [*COMMAND, "talk", "agent_1", "--base-url", service.url]
    service.live.add_agent("agent_1", first_message="Hello!")
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "agent: Hello!\n"
    code, err = interrupt(process)
    assert (code, err.splitlines()[-1]) == (0, "stopping")


def test_closed_standard_input_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert run(["talk", "agent_front_desk", "--sandbox"]) == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_sandbox_has_agents_to_talk_to(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/null") as nothing:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nothing)
        assert run(["talk", "agent_front_desk", "--sandbox", "1"]) == 0
    assert "conversation conv_" in capsys.readouterr().err
