"""``convai-async sandbox``."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import anyio
import click

from convai_async.cli._options import format_examples
from convai_async.cli._output import print_output
from convai_async.cli._signals import stop_gracefully

if TYPE_CHECKING:
    from convai_async.testing import FakeConvAI


@click.command(
    "sandbox",
    epilog=format_examples(
        "convai-async sandbox --port 8080",
    ),
)
@click.option(
    "--port",
    type=click.IntRange(min=0, max=65_535),
    default=8080,
    show_default=True,
    metavar="PORT",
    help="The port to listen on; 0 selects a free one.",
)
@click.option(
    "--conversations",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    metavar="N",
    help="The number of sample conversations.",
)
def sandbox_command(port: int, conversations: int) -> int:
    """Run a local fake service with sample conversations. Press Ctrl-C to stop.

    It behaves like the real service, accepts only the API key that it prints, and listens on 127.0.0.1.
    """
    asyncio.run(_serve(port, conversations))
    return 0


async def _start(fake: FakeConvAI, port: int) -> None:
    try:
        await fake.start(port)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        raise click.UsageError(
            f"cannot listen on port {port}: {os.strerror(error.errno)}; choose another with --port"
        ) from None


async def _serve(port: int, conversations: int) -> None:
    from convai_async.testing import FakeConvAI  # noqa: PLC0415 - loads slowly

    fake, stop = FakeConvAI(conversations=conversations), anyio.Event()
    try:
        await _start(fake, port)
        with stop_gracefully(stop, "stopping"):
            print_output(
                f"URL:      {fake.url}\n"
                f"API key:  {fake.api_key}\n"
                f"Example:  ELEVENLABS_API_KEY={fake.api_key} convai-async list --base-url {fake.url}\n"
                "Press Ctrl-C to stop."
            )
            await stop.wait()
    finally:
        await fake.close()
