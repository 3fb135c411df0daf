"""``convai-async show``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from convai_async import endpoints
from convai_async.cli._moments import Clock
from convai_async.cli._options import connection_options, examples, open_client, utc_option
from convai_async.cli._output import is_terminal, write, write_rich
from convai_async.models import Conversation


@click.command(
    "show",
    epilog=examples(
        "convai-async show conv_1",
        "convai-async show conv_1 --archive calls.db | grep -i refund",
    ),
)
@click.argument("conversation_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The service's JSON, byte for byte.")
@click.option("--archive", type=click.Path(path_type=Path), help="Take it from an archive, not from the service.")
@utc_option
@connection_options
def show_command(conversation_id: str, archive: Path | None, *, as_json: bool, utc: bool, **connection: Any) -> int:
    """Show the transcript of the conversation ID, with what its tools did and how it was judged.

    In a pipe each turn is one line, however long: made for grep.
    """
    raw = asyncio.run(_fetch(conversation_id, connection)) if archive is None else _read(conversation_id, archive)
    if as_json:
        write(raw)
        return 0
    from convai_async.cli._transcript import Transcript  # noqa: PLC0415 - not needed for JSON

    transcript = Transcript(Conversation.from_json(raw), Clock(utc=utc))
    if is_terminal():
        write_rich(transcript.table())
    else:
        write("\n".join(transcript.lines()))
    return 0


async def _fetch(conversation_id: str, connection: dict[str, Any]) -> bytes:
    async with open_client(**connection) as client:
        return (await client.send_raw(endpoints.get_conversation(conversation_id))).body


def _read(conversation_id: str, archive: Path) -> bytes:
    from convai_async.archive import Archive  # noqa: PLC0415 - loads SQLite

    with Archive.open(archive) as opened:
        return opened.get_raw(conversation_id)
