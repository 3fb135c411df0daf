"""``convai-async browse``."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import unused_port
from command_line import COMMAND, interrupt, read_lines

from convai_async.cli._app import run
from convai_async.cli._ports import explain_port_errors

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]


def test_browse_opens_a_single_use_url_and_ends_at_ctrl_c_with_open_connections(
    harvested: Path, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    os.mkfifo(opened)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o700)
    env = {**os.environ, "BROWSER": str(browser), "DISPLAY": ":0"}
    port = unused_port()
    command = [*COMMAND, "browse", str(harvested), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    printed, hint = read_lines(process, 2)
    assert printed.startswith(f"URL: http://127.0.0.1:{port}/?token=")
    assert hint == "Press Ctrl-C to stop."
    url = opened.read_text().strip()
    assert url.startswith(f"http://127.0.0.1:{port}/?token=")
    assert url not in printed
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")  # an unfinished request
        assert interrupt(process) == (0, "\nstopping\n")


def test_browse_explains_a_busy_port(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert run(["browse", str(harvested), "--port", str(port), "--no-open"]) == 2
    error = capsys.readouterr().err
    assert f"cannot listen on port {port}: Address already in use; choose another with --port" in error


def test_other_errors_of_a_port_are_raised() -> None:
    with pytest.raises(OSError, match="too long"), explain_port_errors(1):
        raise OSError(errno.ENAMETOOLONG, "too long")


def test_browse_explains_a_missing_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["browse", str(tmp_path / "none.db"), "--no-open"]) == 2
    assert "there is no archive" in capsys.readouterr().err


def test_browse_names_the_extra_that_is_missing(
    harvested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [each for each in sys.modules if each.startswith("convai_async.browse")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run(["browse", str(harvested), "--no-open"]) == 2
    assert "pip install 'convai-async[browse]'" in capsys.readouterr().err
