"""``convai-async show``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from convai_async import calls
from convai_async.cli._options import connection_options, open_client
from convai_async.cli._transcript import render
from convai_async.harvest import Archive
from convai_async.models import Conversation


@click.command("show", short_help="Show a conversation's transcript.")
@click.argument("conversation_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The service's JSON, byte for byte.")
@click.option("--archive", type=click.Path(path_type=Path), help="Take it from an archive, not from the service.")
@connection_options
def show_command(conversation_id: str, archive: Path | None, *, as_json: bool, **connection: Any) -> int:
    """Show the transcript of the conversation ID, with what its tools did and how it was judged."""
    if archive is None:
        raw = asyncio.run(_fetch(conversation_id, connection))
    else:
        with Archive.open(archive) as opened:
            raw = opened.get_raw(conversation_id)
    if as_json:
        click.echo(raw)
    else:
        Console(highlight=False).print(render(Conversation.from_json(raw)))
    return 0


async def _fetch(conversation_id: str, connection: dict[str, Any]) -> bytes:
    async with open_client(**connection) as client:
        return (await client.send_raw(calls.get_conversation(conversation_id))).body
