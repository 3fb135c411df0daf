"""``convai-async show``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from convai_async import calls
from convai_async.cli._options import connection_options, open_client
from convai_async.cli._transcript import render

if TYPE_CHECKING:
    from convai_async.calls import Response
    from convai_async.models import Conversation


@click.command("show", short_help="Show a conversation's transcript.")
@click.argument("conversation_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The service's JSON, byte for byte.")
@connection_options
def show_command(conversation_id: str, *, as_json: bool, **connection: Any) -> int:
    """Show the transcript of the conversation ID, with what its tools did and how it was judged."""
    response = asyncio.run(_fetch(conversation_id, connection))
    if as_json:
        click.echo(response.body)
    else:
        Console(highlight=False).print(render(response.decode()))
    return 0


async def _fetch(conversation_id: str, connection: dict[str, Any]) -> Response[Conversation]:
    async with open_client(**connection) as client:
        return await client.send_raw(calls.get_conversation(conversation_id))
