"""A command in a terminal, to which a test types after it has read."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from typing import TYPE_CHECKING, Self

from command_line import remove_styles

if TYPE_CHECKING:
    from types import TracebackType


class TypedTerminal:
    """``with TypedTerminal([...]) as terminal:`` runs a command; reading fails at its end.

    Attributes:
        output: All that was read.
    """

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self.output = ""

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "xterm"}
        self._process = subprocess.Popen(self._command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def read_until(self, text: str) -> str:
        """Read until a text appears after what was read before; return what was read."""
        new = ""
        while text not in new:
            try:
                more = os.read(self._ours, 65536)
            except OSError:  # Linux raises EIO when the other end is closed
                more = b""
            assert more, f"the command ended, after {self.output + new!r}"
            new += remove_styles(more.decode())
        self.output += new
        return new

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def read_to_end(self) -> tuple[int, str]:
        """Return the exit code and all output."""
        while True:
            try:
                more = os.read(self._ours, 65536)
            except OSError:
                more = b""
            if not more:
                return self._process.wait(), self.output
            self.output += remove_styles(more.decode())
