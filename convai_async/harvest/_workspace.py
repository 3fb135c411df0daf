"""Which workspace an archive belongs to.

The service does not say whose key it is asked with. So an archive keeps a salted, slow hash of the key, and is bound to
the key that it was filled with; one that was filled without a key is bound on evidence.
"""

from __future__ import annotations

import hmac
import logging
import os
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from convai_async import calls
from convai_async.errors import BadRequestError, InvalidArgumentError, NotFoundError, ValidationError
from convai_async.harvest._database import ArchiveError, is_empty, start_over, transaction
from convai_async.harvest._rows import is_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from convai_async.client import ConvAIClient
    from convai_async.harvest._writer import ArchiveWriter

    KeyFingerprint = Callable[[bytes], bytes]
    """Returns the hash of a key with a salt."""

logger = logging.getLogger("convai_async")

_SALT_BYTES = 16
_ASKED_FOR = 10


def check_key(
    connection: sqlite3.Connection, file: Path, key_fingerprint: KeyFingerprint, *, same_workspace: bool
) -> bool:
    """Return whether an archive is bound to this key; one without conversations is bound to it now.

    Raises:
        ArchiveError: It is bound to another key, and it is not said to be of the same workspace.
    """
    salt, present = connection.execute("SELECT key_salt, key_fingerprint FROM archive").fetchone()
    if present is not None and hmac.compare_digest(key_fingerprint(salt), present):
        return True
    if is_empty(connection):
        bind(connection, key_fingerprint)
        return True
    if present is None or same_workspace:
        return False
    raise ArchiveError(
        f"{str(file)!r} was filled with another API key. Name another file for another workspace;"
        f" if the key was replaced, run `convai-async harvest {file} --same-workspace` once"
        " (in Python: same_workspace=True)"
    )


def bind(connection: sqlite3.Connection, key_fingerprint: KeyFingerprint) -> None:
    """Bind an archive to a key."""
    salt = os.urandom(_SALT_BYTES)
    fingerprint = key_fingerprint(salt)
    with transaction(connection):
        connection.execute("UPDATE archive SET key_salt = ?, key_fingerprint = ?", (salt, fingerprint))
        if is_empty(connection):
            start_over(connection)


async def confirm_workspace(client: ConvAIClient, archive: ArchiveWriter, *, same_workspace: bool) -> None:
    """Bind an archive to the client's key if it is not, when the service has one of its newest conversations.

    Args:
        client: Whom to ask.
        archive: The archive.
        same_workspace: Whether to bind it in any case, with a warning in the log if there is no evidence.

    Raises:
        ArchiveError: The service has none of them.
        ConvAIError: The service cannot be asked.
    """
    if archive.bound:
        return
    ids = await run_sync(archive.newest, _ASKED_FOR)
    if not await _has_any(client, ids):
        problem = f"the service has none of the {len(ids)} newest conversations of {str(archive.path)!r}"
        if not same_workspace:
            raise ArchiveError(
                f"{problem}: with this API key it seems to be another workspace. Name another file for that; if it is"
                f" the same workspace, run `convai-async harvest {archive.path} --same-workspace` once"
                " (in Python: same_workspace=True)"
            )
        logger.warning("%s; it is used all the same, as it was said to be the same workspace", problem)
    await run_sync(archive.bind)


async def _has_any(client: ConvAIClient, ids: list[str]) -> bool:
    for conversation_id in ids:
        try:
            response = await client.send_raw(calls.get_conversation(conversation_id))
        except (NotFoundError, BadRequestError, ValidationError, InvalidArgumentError):
            continue  # also an id that the service cannot have
        if is_of(conversation_id, response.body):
            return True
    return False
