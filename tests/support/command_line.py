"""Run the command line as people do: in a process of its own, at a terminal, in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

COMMAND = [sys.executable, "-P", "-m", "convai_async"]


def on_a_terminal(command: list[str], *, columns: int = 120, typed: str = "", returncode: int = 0) -> str:
    """Run a command at a terminal, and return what it wrote.

    Args:
        command: What to run.
        columns: How wide the terminal is.
        typed: What is typed into it.
        returncode: How it must end.
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
        except OSError:  # how a terminal says that the other side is gone
            break
        if not more:
            break
        written += more
    os.close(ours)
    assert process.wait() == returncode, written.decode()
    return written.decode()
