"""``convai-async delete``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from convai_async.archive import Archive
from convai_async.cli._exit_codes import EXIT_SOME_FAILED
from convai_async.cli._options import connection_options, examples, open_client, source_name
from convai_async.cli._output import note, write
from convai_async.cli._terminal import one_line
from convai_async.errors import AuthenticationError
from convai_async.harvest._fetching import is_missing

if TYPE_CHECKING:
    from convai_async.client import ConvAIClient
    from convai_async.errors import ConvAIError

_MOST_TO_NAME = 5


@click.command(
    "delete",
    epilog=examples(
        "convai-async delete --from erasure-requests.txt --archive calls.db",
    ),
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--from",
    "file",
    type=click.File("rb"),
    help="Take ids from a file too, one a line; # begins a comment; - is standard input.",
)
@click.option(
    "--archive", type=click.Path(path_type=Path), help="Remove them from this archive too, with their recordings."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
def delete_command(
    ids: tuple[str, ...], file: BinaryIO | None, archive: Path | None, *, yes: bool, **connection: Any
) -> int:
    """Delete the conversations ID at the service. There is no way back.

    A conversation that the service does not have (any more) counts as deleted. In the archive nothing of them
    is left, neither in free pages nor in the search index. What could not be deleted at the service stays in
    the archive.
    """
    wanted = list(dict.fromkeys([*ids, *_ids_in(file)]))
    if not wanted:
        raise click.UsageError("name the conversations to delete: as arguments, or with --from FILE")
    if not yes and not _confirmed(wanted):
        note("nothing was deleted")
        return EXIT_SOME_FAILED
    errors, count = asyncio.run(_delete(wanted, archive, connection))
    failed = _failed(errors)
    removed = "" if archive is None else f"; {count:,} removed from {archive}"
    write(f"{len(wanted) - len(errors):,} deleted, {len(errors) - len(failed):,} were not there{removed}")
    for conversation_id in sorted(failed):
        note(f"{one_line(conversation_id)}: {one_line(str(errors[conversation_id]))}")
    return EXIT_SOME_FAILED if failed else 0


def _confirmed(ids: list[str]) -> bool:
    """Ask whether to delete.

    Raises:
        click.UsageError: There is no terminal to ask at.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("cannot ask whether to delete, as there is no terminal: add --yes")
    named = ", ".join(map(one_line, ids[:_MOST_TO_NAME])) + (", ..." if len(ids) > _MOST_TO_NAME else "")
    what = "1 conversation" if len(ids) == 1 else f"{len(ids):,} conversations"
    return click.confirm(f"Delete {what} forever ({named})?", err=True)


def _ids_in(file: BinaryIO | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = [line.decode().partition("#")[0].strip() for line in file]
    except UnicodeDecodeError:
        raise click.UsageError("--from: the file is not UTF-8 text") from None
    except OSError as error:
        raise click.UsageError(f"--from: the file cannot be read: {error.strerror}") from error
    return [line for line in lines if line]


async def _delete(
    ids: list[str], archive: Path | None, connection: dict[str, Any]
) -> tuple[dict[str, ConvAIError], int]:
    """Delete at the service, then in the archive; return what failed, and how many were in the archive."""
    async with open_client(**connection) as client:
        if archive is None:
            return await _delete_at_service(client, ids), 0
        # Locked first: where the archive is another one, or busy, nothing is to be deleted anywhere.
        source = source_name(client, connection["sandbox"])
        with (
            Archive.open(archive, source=source) as opened,
            opened.lock(key_fingerprint=client.key_fingerprint),
        ):
            errors = await _delete_at_service(client, ids)
            failed = _failed(errors)
            return errors, opened.delete([each for each in ids if each not in failed])


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
    return {conversation_id for conversation_id, error in errors.items() if not is_missing(error)}
