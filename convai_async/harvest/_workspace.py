"""Check that an unbound archive belongs to the client's workspace, and bind it to the key: see `_binding`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from convai_async import endpoints
from convai_async.archive import ArchiveError, format_command
from convai_async.archive._records import is_document_of
from convai_async.errors import BadRequestError, InvalidArgumentError, NotFoundError, ValidationError

if TYPE_CHECKING:
    from convai_async.archive._writer import ArchiveWriter
    from convai_async.client import ConvAIClient

_logger = logging.getLogger("convai_async")

_ASKED_FOR = 10


async def confirm_workspace(client: ConvAIClient, archive: ArchiveWriter, *, same_workspace: bool) -> None:
    """Bind an unbound archive to the client's key, if the service has one of its newest conversations.

    Args:
        client: Sends the requests.
        archive: The archive.
        same_workspace: Whether to bind it even if the service has none of them, with a warning in the log.

    Raises:
        ArchiveError: The service has none of them.
        ConvAIError: A request failed.
    """
    if archive.is_bound:
        return
    ids = await run_sync(archive.find_newest, _ASKED_FOR)
    if not await _has_any(client, ids):
        problem = f"the service has none of the {len(ids)} newest conversations of {str(archive.path)!r}"
        if not same_workspace:
            command = format_command("harvest", archive.path, "--same-workspace")
            raise ArchiveError(
                f"{problem}: the API key seems to belong to another workspace. Use another archive for it; if it"
                f" is the same workspace, run `{command}` once"
                " (in Python: same_workspace=True)"
            )
        _logger.warning("%s; it is used because of same_workspace", problem)
    await run_sync(archive.bind)


async def _has_any(client: ConvAIClient, ids: list[str]) -> bool:
    for conversation_id in ids:
        try:
            response = await client.send_raw(endpoints.get_conversation(conversation_id))
        except (NotFoundError, BadRequestError, ValidationError, InvalidArgumentError):
            continue  # the id may be invalid at this service
        if is_document_of(conversation_id, response.body):
            return True
    return False
