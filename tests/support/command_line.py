"""Run the command line in another process: in a terminal, in a shell or in the background."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-P", "-m", "convai_async"]


def run_in_terminal(command: list[str], *, columns: int = 120, typed: str = "", returncode: int = 0) -> str:
    """Run a command in a terminal, and return its output.

    Args:
        command: The command.
        columns: The width of the terminal.
        typed: The input.
        returncode: The expected exit code.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm"}
    env.pop("COLUMNS", None)
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    os.write(ours, typed.encode())
    written = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # Linux raises EIO when the other end is closed
            break
        if not more:
            break
        written += more
    os.close(ours)
    assert process.wait() == returncode, written.decode()
    return written.decode()


def run_in_shell(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a bash command line with ``convai-async`` in it, with buffered output."""
    return subprocess.run(
        ["bash", "-c", command.replace("convai-async", " ".join(COMMAND))],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "", **env},
    )


def read_lines(process: subprocess.Popen[str], number: int) -> list[str]:
    """Read lines from the standard output of a running process."""
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(number)]


def interrupt(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
    """Send a signal to a process, and return its exit code and its standard error."""
    process.send_signal(number)
    _, err = process.communicate()
    return process.returncode, err


def remove_styles(text: str) -> str:
    """Return the output of a terminal without escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def count_conversations(archive: Path) -> int:
    """Return the number of conversations in an archive."""
    with closing(sqlite3.connect(archive)) as connection:
        return int(connection.execute("SELECT count(*) FROM conversations").fetchone()[0])
