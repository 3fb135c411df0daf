"""Whether an archive contains anything, and how to begin again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive._sql import fetch_value

if TYPE_CHECKING:
    from convai_async.archive._connection import Connection


def is_empty(connection: Connection) -> bool:
    """Return whether an archive contains no conversations."""
    return not fetch_value(connection, "SELECT EXISTS (SELECT 1 FROM conversations)")


def start_over(connection: Connection) -> None:
    """Delete the windows and failures of an archive without conversations: its list will be another one."""
    connection.execute("DELETE FROM windows")
    connection.execute("DELETE FROM failures")
