"""Write to standard output and standard error, and tell when that fails."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, TextIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType

    from convai_async.models._base import Model


STANDARD_OUTPUT = "-"
"""What stands for it in the place of a file's name."""


class OutputError(Exception):
    """Standard output cannot be written: it is closed or full, or its reader has gone.

    Attributes:
        reader_gone: Whether it is a pipe that nobody reads any more, as after ``| head``.
    """

    def __init__(self, problem: str, *, reader_gone: bool = False) -> None:
        super().__init__(f"cannot write to standard output: {problem}")
        self.reader_gone = reader_gone


def accept_any_text() -> None:
    """Write characters that an output's encoding lacks as escapes with a backslash, instead of failing at them."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def write(data: str | bytes, *, newline: bool = True) -> None:
    """Write text, or bytes as they are, to standard output.

    Raises:
        OutputError: It cannot be written.
    """
    with _errors_named():
        if isinstance(data, str):
            sys.stdout.write(data)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
        if newline:
            sys.stdout.write("\n")
        sys.stdout.flush()


def write_rich(renderable: RenderableType, *, wrap: bool = True) -> None:
    """Write something of rich's to a terminal.

    Args:
        renderable: What to write.
        wrap: Whether rich wraps lines at words and cuts them to the width; otherwise the terminal breaks them.

    Raises:
        OutputError: It cannot be written.
    """
    from rich.console import Console  # noqa: PLC0415 - not needed in a pipe

    console = Console(highlight=False)
    with console.capture() as captured:  # rich would end the process itself at a closed pipe
        console.print(renderable, soft_wrap=not wrap)
    write(captured.get(), newline=False)


def note(text: str, style: str = "") -> None:
    """Write a line to standard error, for people; where that fails there is nobody to tell."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None and sys.stderr.isatty():
            stderr_console().print(text, style=style, markup=False, soft_wrap=True)  # above a live display
        elif sys.stderr is not None:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


@cache
def stderr_console() -> Console:
    """Return the one console of rich for standard error: log lines and a progress bar must share it."""
    from rich.console import Console  # noqa: PLC0415 - not needed in a pipe

    return Console(stderr=True, highlight=False)


def service_json(model: Model) -> bytes:
    """Return the service's own JSON of a model in one line; where it was not kept, what the model holds."""
    raw: bytes = getattr(model, "raw_json", b"") or model.to_json()
    return msgspec.json.format(raw, indent=-1) if b"\n" in raw else raw


class BinaryOutput:
    """Standard output as a file for bytes, whose errors are `OutputError`."""

    def write(self, data: bytes) -> int:
        """Write bytes.

        Raises:
            OutputError: They cannot be written.
        """
        with _errors_named():
            return sys.stdout.buffer.write(data)

    def flush(self) -> None:
        """Write what is buffered.

        Raises:
            OutputError: It cannot be written.
        """
        with _errors_named():
            sys.stdout.buffer.flush()


def flush_at_exit() -> bool:
    """Flush both outputs and drop what cannot be written: the interpreter would try again, and complain.

    Returns:
        Whether standard output was written.
    """
    _flushed(sys.stderr)
    return _flushed(sys.stdout)


def _flushed(stream: TextIO | None) -> bool:
    if stream is None:
        return True
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            descriptor = os.open(os.devnull, os.O_WRONLY)
            os.dup2(descriptor, stream.fileno())
            os.close(descriptor)
        return False
    return True


@contextmanager
def _errors_named() -> Iterator[None]:
    if sys.stdout is None:
        raise OutputError("it is closed")
    try:
        yield
    except OSError as error:
        raise OutputError(error.strerror or str(error), reader_gone=error.errno == errno.EPIPE) from error
    except ValueError as error:  # it was closed since
        raise OutputError(str(error)) from error
