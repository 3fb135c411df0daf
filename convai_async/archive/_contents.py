"""Check whether an archive is empty, and change the service of an empty one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from convai_async.archive._errors import ArchiveError
from convai_async.archive._sql import fetch_value

if TYPE_CHECKING:
    from convai_async.archive._connection import Connection
    from convai_async.archive._location import Location


def is_empty(connection: Connection) -> bool:
    """Return whether an archive contains no conversations."""
    return not fetch_value(connection, "SELECT EXISTS (SELECT 1 FROM conversations)")


def clear_list_state(connection: Connection) -> None:
    """Delete the windows and failures of an archive without conversations: they are of another list."""
    connection.execute("DELETE FROM windows")
    connection.execute("DELETE FROM failures")


def change_source(connection: Connection, path: Location, source: str) -> None:
    """Set the address of the service of an archive without conversations, in the transaction of the caller.

    Raises:
        ArchiveError: It has conversations of another service.
    """
    present = fetch_value(connection, "SELECT source FROM archive")
    if not is_empty(connection):
        kind = "file" if isinstance(path, Path) else "workspace"
        raise ArchiveError(
            f"{str(path)!r} contains conversations from {present}, not from {source}: choose another {kind}"
        )
    # The first run may have named the wrong region, and found nothing.
    connection.execute("UPDATE archive SET source = ?, key_salt = NULL, key_fingerprint = NULL", (source,))
    clear_list_state(connection)
