"""``convai-async sandbox``."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import anyio
import click

from convai_async.cli._options import examples
from convai_async.cli._output import write
from convai_async.cli._signals import orderly_end

if TYPE_CHECKING:
    from convai_async.testing import FakeConvAI


@click.command(
    "sandbox",
    epilog=examples(
        "convai-async sandbox --port 8080",
    ),
)
@click.option(
    "--port", type=click.IntRange(min=0, max=65_535), default=8080, show_default=True, help="0 takes a free one."
)
@click.option(
    "--conversations", type=click.IntRange(min=1), default=200, show_default=True, help="How many conversations."
)
def sandbox_command(port: int, conversations: int) -> int:
    """Serve made-up conversations on this machine, until Ctrl-C.

    It answers like the real service, to its own key only, and only to programs on this machine (127.0.0.1).
    """
    asyncio.run(_serve(port, conversations))
    return 0


async def _start(fake: FakeConvAI, port: int) -> None:
    try:
        await fake.start(port)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        raise click.UsageError(f"port {port} cannot be used: {os.strerror(error.errno)}") from None


async def _serve(port: int, conversations: int) -> None:
    from convai_async.testing import FakeConvAI  # noqa: PLC0415 - only this pays for it

    fake, stop = FakeConvAI(conversations=conversations), anyio.Event()
    try:
        await _start(fake, port)
        with orderly_end(stop, "stopping"):
            write(
                f"URL  {fake.url}\n"
                f"key  {fake.api_key}\n"
                f"try  ELEVENLABS_API_KEY={fake.api_key} convai-async list --base-url {fake.url}\n"
                "Ctrl-C ends it."
            )
            await stop.wait()
    finally:
        await fake.close()
