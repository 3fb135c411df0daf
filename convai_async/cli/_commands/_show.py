"""``convai-async show``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from convai_async import endpoints
from convai_async.cli._options import ArchiveType, add_connection_options, format_examples, open_client, utc_option
from convai_async.cli._output import is_terminal, print_output, print_rich
from convai_async.cli._times import TimeFormatter
from convai_async.errors import ConfigurationError
from convai_async.models import Conversation

if TYPE_CHECKING:
    from convai_async.archive import Location


@click.command(
    "show",
    epilog=format_examples(
        "convai-async show conv_1",
        "convai-async show conv_1 --archive calls.db | grep -i refund",
    ),
)
@click.argument("conversation_id")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON of the service, unchanged.")
@click.option("--archive", type=ArchiveType(), help="Read from this archive instead of the service.")
@utc_option
@add_connection_options
def show_command(conversation_id: str, archive: Location | None, *, as_json: bool, utc: bool, **connection: Any) -> int:
    """Show the transcript of a conversation, with its tool calls and evaluation.

    If the output is not a terminal, each turn is one line, for grep.
    """
    if archive is not None:
        raw = _read(conversation_id, archive)
    else:
        try:
            raw = asyncio.run(_fetch(conversation_id, connection))
        except ConfigurationError as error:
            if "no API key" not in str(error):
                raise
            raise click.UsageError(
                "no API key: export ELEVENLABS_API_KEY=..., add --sandbox, or read from an archive with --archive"
            ) from None
    if as_json:
        print_output(raw)
        return 0
    from convai_async.cli._display._transcript import TranscriptView  # noqa: PLC0415 - not needed for JSON

    transcript = TranscriptView(Conversation.from_json(raw), TimeFormatter(utc=utc))
    if is_terminal():
        print_rich(transcript.render())
    else:
        print_output("\n".join(transcript.format_lines()))
    return 0


async def _fetch(conversation_id: str, connection: dict[str, Any]) -> bytes:
    async with open_client(**connection) as client:
        return (await client.send_raw(endpoints.get_conversation(conversation_id))).body


def _read(conversation_id: str, archive: Location) -> bytes:
    from convai_async.archive import Archive  # noqa: PLC0415 - loads SQLite

    with Archive.open(archive) as opened:
        return opened.get_raw(conversation_id)
