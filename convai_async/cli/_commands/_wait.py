"""``convai-async wait``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from convai_async.cli._formatting import to_single_line
from convai_async.cli._options import add_connection_options, format_examples, open_client
from convai_async.cli._output import dump_json_line, print_output

if TYPE_CHECKING:
    from convai_async.models import Conversation


@click.command(
    "wait",
    epilog=format_examples(
        "convai-async wait conv_1 && convai-async show conv_1",
    ),
)
@click.argument("conversation_id")
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Maximum time to wait; 0 checks once.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the conversation as JSON.")
@add_connection_options
def wait_command(conversation_id: str, *, max_wait: float, as_json: bool, **connection: Any) -> int:
    """Wait until a conversation is done: processed, with its analysis.

    The exit code is 0 if it is done, 1 if it failed or does not exist, and 4 if it is not done after --max-wait.
    """
    conversation = asyncio.run(_wait(conversation_id, max_wait, connection))
    print_output(
        dump_json_line(conversation) if as_json else f"{to_single_line(conversation_id)}: {conversation.status}"
    )
    return 0


async def _wait(conversation_id: str, max_wait: float, connection: dict[str, Any]) -> Conversation:
    async with open_client(**connection) as client:
        return await client.conversations.wait(conversation_id, timeout=max_wait)
