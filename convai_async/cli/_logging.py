"""Log lines on standard error: warnings always, requests with ``-v``, everything with ``--debug``."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from convai_async.cli._output import note
from convai_async.cli._terminal import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_logger = logging.getLogger("convai_async")
_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


class _StderrHandler(logging.Handler):
    """Writes a line for each record; above a progress bar, where there is one."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.detailed = False

    def format(self, record: logging.LogRecord) -> str:
        """Return the message; with time, level, logger and traceback where that was asked for."""
        message = _request_line(record) or one_line(record.getMessage())
        if self.detailed:
            clock = time.strftime("%H:%M:%S", time.localtime(record.created))
            message = f"{clock}.{record.msecs:03.0f} {record.levelname} {record.name}: {message}"
            if record.exc_info:
                message += "\n" + plain(logging.Formatter().formatException(record.exc_info))
        elif record.exc_info and record.exc_info[1] is not None:
            message += f": {one_line(str(record.exc_info[1]))}"
        return message

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        note(self.format(record), _STYLES.get(record.levelno, "dim"))


def _request_line(record: logging.LogRecord) -> str:
    """Return the line of a request; empty for any other record."""
    facts = vars(record)
    if "duration_secs" not in facts:
        return ""
    request, seconds = one_line(f"{facts['method']} {facts['path']}"), f"{facts['duration_secs']:.3f} s"
    if facts["status"] is None:
        return f"{request}: no reply, {seconds}"
    request_id = f" ({one_line(facts['request_id'])})" if facts["request_id"] else ""
    return f"{request}: {facts['status']}, {seconds}{request_id}"


@contextmanager
def logging_to_stderr() -> Iterator[None]:
    """Show warnings on standard error until the block ends; `logging_options` show more."""
    handler, root = _StderrHandler(logging.WARNING), logging.getLogger()
    levels = root.level, _logger.level
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        _logger.setLevel(levels[1])


def _show_requests(_context: click.Context, _parameter: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click's
    if given:
        _logger.setLevel(logging.DEBUG)
        for handler in _own_handlers():
            handler.setLevel(logging.DEBUG)


def _show_everything(_context: click.Context, _parameter: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click's
    if given:
        logging.getLogger().setLevel(logging.DEBUG)
        for handler in _own_handlers():
            handler.setLevel(logging.DEBUG)
            handler.detailed = True


def _own_handlers() -> list[_StderrHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, _StderrHandler)]


def logging_options() -> list[Callable[[Any], Any]]:
    """Return the options that show more."""
    return [
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_show_requests,
            help="Show each request and retry on standard error.",
        ),
        click.option(
            "--debug",
            is_flag=True,
            expose_value=False,
            callback=_show_everything,
            help="Show requests with times, messages of the libraries underneath, and tracebacks.",
        ),
    ]


def log_traceback(error: BaseException) -> None:
    """Log the traceback of an exception, for ``--debug``."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        _logger.debug("traceback", exc_info=error)
