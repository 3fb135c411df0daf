"""Write to standard output and standard error."""

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

    from convai_async.models import Model


STANDARD_OUTPUT = "-"
"""The file name that means standard output."""


class OutputError(Exception):
    """Standard output cannot be written: it is closed, full or a broken pipe.

    Attributes:
        is_broken_pipe: Whether the reader of the pipe has exited, as after ``| head``.
    """

    def __init__(self, problem: str, *, is_broken_pipe: bool = False) -> None:
        super().__init__(f"cannot write to standard output: {problem}")
        self.is_broken_pipe = is_broken_pipe


def escape_unencodable_text() -> None:
    """Write characters that the encoding does not support as backslash escapes instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def print_output(data: str | bytes, *, newline: bool = True) -> None:
    """Write text or bytes to standard output.

    Raises:
        OutputError: It cannot be written.
    """
    with _raise_output_errors():
        if isinstance(data, str):
            sys.stdout.write(data)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
        if newline:
            sys.stdout.write("\n")
        sys.stdout.flush()


def print_rich(renderable: RenderableType, *, wrap: bool = True) -> None:
    """Print a rich renderable to standard output.

    Args:
        renderable: The renderable.
        wrap: Whether rich wraps and truncates lines at the terminal's width; otherwise the terminal wraps them.

    Raises:
        OutputError: It cannot be written.
    """
    from rich.console import Console  # noqa: PLC0415 - not needed in a pipe

    console = Console(highlight=False)
    with console.capture() as captured:  # rich would exit the process at a broken pipe
        console.print(renderable, soft_wrap=not wrap)
    print_output(captured.get(), newline=False)


def print_note(text: str, style: str = "") -> None:
    """Print a line to standard error; errors are ignored."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None and sys.stderr.isatty():
            get_stderr_console().print(text, style=style, markup=False, soft_wrap=True)  # above a progress bar
        elif sys.stderr is not None:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


@cache
def get_stderr_console() -> Console:
    """Return the console for standard error, which log lines and the progress bar share."""
    from rich.console import Console  # noqa: PLC0415 - not needed in a pipe

    return Console(stderr=True, highlight=False)


def dump_json_line(model: Model) -> bytes:
    """Return the JSON of a model in one line: the service's own JSON if the model has it."""
    raw: bytes = getattr(model, "raw_json", b"") or model.to_json()
    return msgspec.json.format(raw, indent=-1) if b"\n" in raw else raw


class BinaryOutput:
    """Standard output as a binary file that raises `OutputError`."""

    def write(self, data: bytes) -> int:
        """Write bytes.

        Raises:
            OutputError: They cannot be written.
        """
        with _raise_output_errors():
            return sys.stdout.buffer.write(data)

    def flush(self) -> None:
        """Flush the buffer.

        Raises:
            OutputError: It cannot be written.
        """
        with _raise_output_errors():
            sys.stdout.buffer.flush()


def flush_at_exit() -> bool:
    """Flush both outputs, and discard what cannot be written: the interpreter would print an error about it.

    Returns:
        Whether standard output could be flushed.
    """
    _flush(sys.stderr)
    return _flush(sys.stdout)


def _flush(stream: TextIO | None) -> bool:
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
def _raise_output_errors() -> Iterator[None]:
    if sys.stdout is None:
        raise OutputError("it is closed")
    try:
        yield
    except OSError as error:
        raise OutputError(error.strerror or str(error), is_broken_pipe=error.errno == errno.EPIPE) from error
    except ValueError as error:  # it was closed in the meantime
        raise OutputError(str(error)) from error
