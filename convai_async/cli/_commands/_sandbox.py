"""``convai-async sandbox``."""

from __future__ import annotations

import asyncio

import anyio
import click

from convai_async.cli._options import format_examples
from convai_async.cli._output import print_output
from convai_async.cli._ports import explain_port_errors, port_option
from convai_async.cli._signals import stop_gracefully


@click.command(
    "sandbox",
    epilog=format_examples(
        "convai-async sandbox --port 8080",
    ),
)
@port_option(8080)
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


async def _serve(port: int, conversations: int) -> None:
    from convai_async.testing import FakeConvAI  # noqa: PLC0415 - loads slowly

    fake, stop = FakeConvAI(conversations=conversations), anyio.Event()
    try:
        with explain_port_errors(port):
            await fake.start(port)
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
