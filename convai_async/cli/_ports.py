"""The option --port, and errors from listening."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Command = TypeVar("Command", bound="Callable[..., Any]")


def port_option(default: int) -> Callable[[Command], Command]:
    """Return the option ``--port``."""
    return click.option(
        "--port",
        type=click.IntRange(min=0, max=65_535),
        default=default,
        show_default=True,
        metavar="PORT",
        help="The port to listen on; 0 selects a free one.",
    )


@contextmanager
def explain_port_errors(port: int) -> Iterator[None]:
    """Raise a usage error if a server cannot listen on a port."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        raise click.UsageError(
            f"cannot listen on port {port}: {os.strerror(error.errno)}; choose another with --port"
        ) from None
