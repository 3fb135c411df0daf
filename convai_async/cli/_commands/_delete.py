"""``convai-async delete``."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from convai_async._support.validate import validate_encodable
from convai_async.archive import Archive
from convai_async.cli._exit_codes import EXIT_SOME_FAILED
from convai_async.cli._formatting import to_single_line
from convai_async.cli._options import ArchiveType, add_connection_options, format_examples, get_source_name, open_client
from convai_async.cli._output import print_note, print_output
from convai_async.cli._upgrade import upgrade_archive
from convai_async.errors import AuthenticationError, InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from convai_async.archive import Location
    from convai_async.client import ConvAIClient
    from convai_async.errors import ConvAIError

_MAX_IDS_SHOWN = 5


@click.command(
    "delete",
    epilog=format_examples(
        "convai-async delete --from erasure-requests.txt --archive calls.db",
    ),
)
@click.argument("ids", nargs=-1, metavar="[CONVERSATION_ID]...")
@click.option(
    "--from",
    "file",
    type=click.File("rb"),
    help="Also delete the ids in this file, one per line; # starts a comment, - is standard input.",
)
@click.option("--archive", type=ArchiveType(), help="Also delete them, and their recordings, from this archive.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@add_connection_options
def delete_command(
    ids: tuple[str, ...], file: BinaryIO | None, archive: Location | None, *, yes: bool, **connection: Any
) -> int:
    """Delete conversations permanently from the service and, with --archive, from an archive.

    Conversations that do not exist at the service count as deleted. Conversations that cannot be deleted at the
    service stay in the archive, unless their id is not valid there. The data of deleted
    conversations is erased from the archive; in an SQLite file, also from free pages and the search index.
    """
    wanted = list(dict.fromkeys([*(validate_encodable("CONVERSATION_ID", each) for each in ids), *_read_ids(file)]))
    if not wanted:
        raise click.UsageError("no conversations to delete: pass ids as arguments, or use --from FILE")
    if not yes and not _confirm(wanted):
        print_note("nothing was deleted")
        return EXIT_SOME_FAILED
    if archive is not None:
        upgrade_archive(archive)
    errors, count = asyncio.run(_delete(wanted, archive, connection))
    failed = _find_failures(errors)
    removed = "" if archive is None else f"; {count:,} removed from {archive}"
    print_output(f"{len(wanted) - len(errors):,} deleted, {len(errors) - len(failed):,} not found{removed}")
    for conversation_id in sorted(failed):
        print_note(f"{to_single_line(conversation_id)}: {to_single_line(str(errors[conversation_id]))}")
    return EXIT_SOME_FAILED if failed else 0


def _confirm(ids: list[str]) -> bool:
    """Ask for confirmation, and return whether the user agreed.

    Raises:
        click.UsageError: Standard input is not a terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("cannot ask for confirmation without a terminal: add --yes")
    named = ", ".join(map(to_single_line, ids[:_MAX_IDS_SHOWN])) + (", ..." if len(ids) > _MAX_IDS_SHOWN else "")
    what = "1 conversation" if len(ids) == 1 else f"{len(ids):,} conversations"
    return click.confirm(f"Permanently delete {what} ({named})?", err=True)


def _read_ids(file: BinaryIO | None) -> list[str]:
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
    ids: list[str], archive: Location | None, connection: dict[str, Any]
) -> tuple[dict[str, ConvAIError], int]:
    """Delete from the service, then from the archive; return the errors by id, and how many were in the archive."""
    async with open_client(**connection) as client:
        if archive is None:
            return await _delete_at_service(client, ids), 0
        # Lock the archive first: if it is busy or of another service, nothing must be deleted.
        source = get_source_name(client, connection["sandbox"])
        with (
            Archive.open(archive, source=source) as opened,
            opened.lock(hash_api_key=client.hash_api_key),
        ):
            errors = await _delete_at_service(client, ids)
            # The service cannot have a conversation with an invalid id, but an archive can have a failure with it.
            kept = {each for each in _find_failures(errors) if not isinstance(errors[each], InvalidArgumentError)}
            return errors, opened.delete([each for each in ids if each not in kept])


async def _delete_at_service(client: ConvAIClient, ids: list[str]) -> dict[str, ConvAIError]:
    errors: dict[str, ConvAIError] = {}
    async with client.conversations.delete_many(ids) as results:
        async for result in results:
            if isinstance(result.error, AuthenticationError):
                raise result.error  # every other request would fail too
            if result.error is not None:
                errors[result.conversation_id] = result.error
    return errors


def _find_failures(errors: dict[str, ConvAIError]) -> set[str]:
    """Return the ids that could not be deleted; conversations that do not exist count as deleted."""
    return {
        conversation_id
        for conversation_id, error in errors.items()
        if not (isinstance(error, NotFoundError) and error.is_from_service)
    }
