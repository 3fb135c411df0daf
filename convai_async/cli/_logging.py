"""Log to standard error: warnings always, requests with ``-v``, everything with ``--debug``."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from convai_async._support.workspace_name import workspace_name
from convai_async.cli._formatting import strip_control_chars, to_single_line
from convai_async.cli._output import print_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_logger = logging.getLogger("convai_async")
_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


class _StderrHandler(logging.Handler):
    """Prints each record as a line, above the progress bar if there is one."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.detailed = False

    def format(self, record: logging.LogRecord) -> str:
        """Return the message; with ``--debug`` also the time, level, logger and traceback."""
        message = _format_request(record) or to_single_line(record.getMessage())
        if name := workspace_name.get():
            message = f"{to_single_line(name)}: {message}"
        if self.detailed:
            clock = time.strftime("%H:%M:%S", time.localtime(record.created))
            message = f"{clock}.{record.msecs:03.0f} {record.levelname} {record.name}: {message}"
            if record.exc_info:
                message += "\n" + strip_control_chars(logging.Formatter().formatException(record.exc_info))
        elif record.exc_info and record.exc_info[1] is not None:
            message += f": {to_single_line(str(record.exc_info[1]))}"
        return message

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        print_note(self.format(record), _STYLES.get(record.levelno, "dim"))


def _format_request(record: logging.LogRecord) -> str:
    """Return the line for a request; empty for other records."""
    facts = vars(record)
    if "duration_secs" not in facts:
        return ""
    request, seconds = to_single_line(f"{facts['method']} {facts['path']}"), f"{facts['duration_secs']:.3f} s"
    if facts["status"] is None:
        return f"{request}: no response, {seconds}"
    request_id = f" ({to_single_line(facts['request_id'])})" if facts["request_id"] else ""
    return f"{request}: {facts['status']}, {seconds}{request_id}"


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Log warnings to standard error until the block ends; the options log more."""
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
        for handler in _find_handlers():
            handler.setLevel(logging.DEBUG)


def _show_everything(_context: click.Context, _parameter: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click's
    if given:
        logging.getLogger().setLevel(logging.DEBUG)
        for handler in _find_handlers():
            handler.setLevel(logging.DEBUG)
            handler.detailed = True


def log_progress(name: str) -> None:
    """Also log what a part of the package does: the messages of its logger from INFO on."""
    logger = logging.getLogger(name)
    logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))
    for handler in _find_handlers():
        handler.setLevel(min(logging.INFO, handler.level))


def _find_handlers() -> list[_StderrHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, _StderrHandler)]


def build_logging_options() -> list[Callable[[Any], Any]]:
    """Return the options ``--verbose`` and ``--debug``."""
    return [
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_show_requests,
            help="Log each request and retry to standard error.",
        ),
        click.option(
            "--debug",
            is_flag=True,
            expose_value=False,
            callback=_show_everything,
            help="Also log timestamps, messages of other libraries and tracebacks.",
        ),
    ]


def log_traceback(error: BaseException) -> None:
    """Log the traceback of an exception if ``--debug`` is given."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        _logger.debug("traceback", exc_info=error)
