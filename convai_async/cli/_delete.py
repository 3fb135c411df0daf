"""``convai-async delete``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from convai_async.cli._exit_codes import EXIT_INTERRUPTED, EXIT_SOME_FAILED
from convai_async.cli._options import connection_options, open_client, source_name
from convai_async.cli._terminal import one_line
from convai_async.errors import AuthenticationError, NotFoundError
from convai_async.harvest._writer import ArchiveWriter

if TYPE_CHECKING:
    from convai_async.client import ConvAIClient
    from convai_async.errors import ConvAIError

_MOST_TO_NAME = 5


@click.command("delete", short_help="Delete conversations, at the service and in an archive.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--from", "file", type=click.File(), help="Take ids from a file too, one a line; - is the standard input."
)
@click.option(
    "--archive", type=click.Path(path_type=Path), help="Remove them from this archive too, with their recordings."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
def delete_command(
    ids: tuple[str, ...], file: IO[str] | None, archive: Path | None, *, yes: bool, **connection: Any
) -> int:
    """Delete the conversations ID at the service. There is no way back.

    A conversation that the service does not have (any more) counts as deleted. In the archive nothing of them
    is left, neither in free pages nor in the search index. What could not be deleted at the service stays in
    the archive.
    """
    wanted = list(dict.fromkeys([*ids, *_ids_in(file)]))
    if not wanted:
        raise click.UsageError("name the conversations to delete: as arguments, or with --from FILE")
    if not yes:
        named = ", ".join(map(one_line, wanted[:_MOST_TO_NAME])) + (", …" if len(wanted) > _MOST_TO_NAME else "")
        if not click.confirm(f"Delete {len(wanted):,} conversations for ever ({named})?"):
            click.echo("nothing was deleted", err=True)
            return EXIT_INTERRUPTED
    errors, count = asyncio.run(_delete(wanted, archive, connection))
    failed = _failed(errors)
    removed = "" if archive is None else f"; {count:,} removed from {archive}"
    click.echo(f"{len(wanted) - len(errors):,} deleted, {len(errors) - len(failed):,} were not there{removed}")
    for conversation_id in sorted(failed):
        click.echo(f"{one_line(conversation_id)}: {one_line(str(errors[conversation_id]))}", err=True)
    return EXIT_SOME_FAILED if failed else 0


def _ids_in(file: IO[str] | None) -> list[str]:
    return [] if file is None else [line.strip() for line in file if line.strip()]


async def _delete(
    ids: list[str], archive: Path | None, connection: dict[str, Any]
) -> tuple[dict[str, ConvAIError], int]:
    """Delete at the service, then in the archive; return what failed, and how many were in the archive."""
    async with open_client(**connection) as client:
        if archive is None:
            return await _delete_at_service(client, ids), 0
        # Opened first: where the archive is another one, or busy, nothing is to be deleted anywhere.
        source = source_name(client, connection["sandbox"])
        with ArchiveWriter(archive, source, create=False, key_fingerprint=client.key_fingerprint) as writer:
            errors = await _delete_at_service(client, ids)
            failed = _failed(errors)
            return errors, writer.forget([each for each in ids if each not in failed])


async def _delete_at_service(client: ConvAIClient, ids: list[str]) -> dict[str, ConvAIError]:
    errors: dict[str, ConvAIError] = {}
    async with client.conversations.delete_many(ids) as results:
        async for result in results:
            if isinstance(result.error, AuthenticationError):
                raise result.error  # and so would all the others end
            if result.error is not None:
                errors[result.conversation_id] = result.error
    return errors


def _failed(errors: dict[str, ConvAIError]) -> set[str]:
    return {conversation_id for conversation_id, error in errors.items() if not isinstance(error, NotFoundError)}
