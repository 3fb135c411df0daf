"""Bind an archive to the workspace that it was filled from.

The service does not say which workspace a key belongs to. So an archive keeps a salted hash of the key, and refuses
another key unless ``same_workspace`` is set.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

from convai_async.archive._contents import clear_list_state, is_empty
from convai_async.archive._errors import ArchiveError
from convai_async.archive._location import format_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.archive._connection import Connection
    from convai_async.archive._location import Location

    KeyHasher = Callable[[bytes], bytes]
    """Returns the hash of a key with a salt."""

_SALT_BYTES = 16


def matches_key(connection: Connection, hash_api_key: KeyHasher) -> bool | None:
    """Return whether an archive is bound to this key, or None if it is not bound."""
    salt, present = connection.execute("SELECT key_salt, key_fingerprint FROM archive").fetchone()
    return None if present is None else hmac.compare_digest(hash_api_key(salt), present)


def bind(connection: Connection, hash_api_key: KeyHasher) -> None:
    """Bind an archive to a key, in the transaction of the caller."""
    salt = os.urandom(_SALT_BYTES)
    fingerprint = hash_api_key(salt)
    connection.execute("UPDATE archive SET key_salt = ?, key_fingerprint = ?", (salt, fingerprint))
    if is_empty(connection):
        clear_list_state(connection)


def build_other_key_error(path: Location) -> ArchiveError:
    """Return the error for an archive that is bound to another key."""
    command = format_command("harvest", path, "--same-workspace")
    return ArchiveError(
        f"{str(path)!r} was filled with another API key. Use another archive for another workspace;"
        f" if the key was replaced, run `{command}` once"
        " (in Python: same_workspace=True)"
    )
