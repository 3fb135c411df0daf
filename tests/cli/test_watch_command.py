"""``convai-async watch``."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

from command_line import COMMAND, interrupt, read_lines

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.testing import FakeConvAI

pytest_plugins = ["cli_fixtures"]


def start_watch(service: FakeConvAI, *options: str) -> subprocess.Popen[str]:
    oldest = min(service.conversations[each].start for each in list(service.conversations)[:3])
    command = [*COMMAND, "watch", "--base-url", service.url, "--since", str(oldest), "--interval", "0.05", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_watch_prints_each_conversation_when_it_becomes_final(service: FakeConvAI) -> None:
    process = start_watch(service)
    assert read_lines(process, 3) == list(service.conversations)[2::-1]
    later = service.add(status="processing")
    service.finish(later)
    assert read_lines(process, 1) == [later]
    assert interrupt(process) == (0, "\nstopping\n")


def test_watch_with_json_and_agent_prints_json_of_this_agent(service: FakeConvAI) -> None:
    agent = service.conversations.details(next(iter(service.conversations)))["agent_id"]
    process = start_watch(service, "--json", "--agent", agent)
    assert json.loads(read_lines(process, 1)[0])["agent_id"] == agent
    assert interrupt(process, signal.SIGTERM)[0] == 0
    assert dict(service.requests[0].query)["agent_id"] == agent


def test_watch_with_exec_runs_the_command_and_reports_failures(service: FakeConvAI, tmp_path: Path) -> None:
    script = 'cat > "$0/$CONVAI_CONVERSATION_ID"; echo "$CONVAI_CONVERSATION_ID"; exit 3'
    process = start_watch(service, "--exec", f"sh -c '{script}' '{tmp_path}'")
    ids = read_lines(process, 3)
    assert ids == list(service.conversations)[2::-1]
    code, err = interrupt(process)
    assert code == 1
    assert err.count("sh failed with exit code 3") >= 2, "the last one may have been interrupted"
    document = json.loads((tmp_path / ids[0]).read_text())
    assert document["transcript"], "the whole conversation is on its standard input"


def test_watch_with_exec_uses_no_shell(service: FakeConvAI) -> None:
    marks = "; echo $(id) `id` | $HOME > x"
    process = start_watch(service, "--exec", f"echo '{marks}' $HOME")
    assert read_lines(process, 1) == [f"{marks} $HOME"]
    interrupt(process)
