"""``convai-async audio``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from convai_async.cli._formatting import format_size
from convai_async.cli._options import add_connection_options, format_examples, open_client
from convai_async.cli._output import STANDARD_OUTPUT, BinaryOutput, is_terminal, print_output


@click.command(
    "audio",
    epilog=format_examples(
        "convai-async audio conv_1",
        "convai-async audio conv_1 -o - | ffplay -",
    ),
)
@click.argument("conversation_id")
@click.option(
    "-o", "--output", metavar="FILE", help="Output file; CONVERSATION_ID.mp3 by default, - for standard output."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@add_connection_options
def audio_command(conversation_id: str, *, output: str | None, force: bool, **connection: Any) -> int:
    """Download the recording of a conversation.

    The file appears only when the download is complete.
    """
    if output == STANDARD_OUTPUT:
        if is_terminal():
            raise click.UsageError(
                "cannot write a recording to a terminal: redirect the output, or pass a file name with -o"
            )
        asyncio.run(_stream(conversation_id, connection))
        return 0
    destination = Path(output or _build_file_name(conversation_id))
    if destination.exists() and not destination.is_dir() and not force:
        raise click.UsageError(f"{str(destination)!r} already exists: choose another file with -o, or add --force")
    size = asyncio.run(_save(conversation_id, destination, connection, overwrite=force))
    print_output(f"{destination}: {format_size(size)}")
    return 0


def _build_file_name(conversation_id: str) -> str:
    from convai_async.archive import get_recording_file_name  # noqa: PLC0415 - loads SQLite

    return get_recording_file_name(conversation_id)


async def _stream(conversation_id: str, connection: dict[str, Any]) -> None:
    output = BinaryOutput()
    async with open_client(**connection) as client, client.conversations.audio.stream(conversation_id) as recording:
        async for chunk in recording:
            output.write(chunk)
    output.flush()


async def _save(conversation_id: str, destination: Path, connection: dict[str, Any], *, overwrite: bool) -> int:
    async with open_client(**connection) as client:
        saved = await client.conversations.audio.download(conversation_id, destination, overwrite=overwrite)
    return saved.size
