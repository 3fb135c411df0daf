"""``convai-async sandbox``."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from command_line import COMMAND, interrupt, read_lines

from convai_async.cli._app import run

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["cli_fixtures"]


def test_sandbox_serves_sample_conversations_until_ctrl_c(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*COMMAND, "sandbox", "--port", "0", "--conversations", "7"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url, key, example, _ = (line.partition(":")[2].strip() for line in read_lines(process, 4))
    assert url.startswith("http://127.0.0.1:")
    assert example == f"ELEVENLABS_API_KEY={key} convai-async list --base-url {url}"
    monkeypatch.setenv("ELEVENLABS_API_KEY", key)
    assert run(["list", "--base-url", url]) == 0
    assert capsys.readouterr().out.count("\n") == 7
    monkeypatch.setenv("ELEVENLABS_API_KEY", "another")
    assert run(["list", "--base-url", url]) == 2
    port = url.rpartition(":")[2]
    assert run(["sandbox", "--port", port]) == 2
    assert f"cannot listen on port {port}" in capsys.readouterr().err
    assert interrupt(process) == (0, "\nstopping\n")
