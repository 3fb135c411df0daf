"""Bind an archive to the workspace that it was filled from.

The service does not say which workspace a key belongs to. So an archive keeps a salted, slow hash of the key, and
refuses another key unless ``same_workspace`` is set.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

from convai_async.archive._database import is_empty, start_over
from convai_async.archive._errors import ArchiveError
from convai_async.archive._sql import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    KeyHasher = Callable[[bytes], bytes]
    """Returns the hash of a key with a salt."""

_SALT_BYTES = 16


def check_key(connection: sqlite3.Connection, file: Path, hash_api_key: KeyHasher, *, same_workspace: bool) -> bool:
    """Return whether an archive is bound to this key; one without conversations is bound to it now.

    Raises:
        ArchiveError: It is bound to another key, and ``same_workspace`` is not set.
    """
    salt, present = connection.execute("SELECT key_salt, key_fingerprint FROM archive").fetchone()
    if present is not None and hmac.compare_digest(hash_api_key(salt), present):
        return True
    if is_empty(connection):
        bind(connection, hash_api_key)
        return True
    if present is None or same_workspace:
        return False
    raise ArchiveError(
        f"{str(file)!r} was filled with another API key. Use another file for another workspace;"
        f" if the key was replaced, run `convai-async harvest {file} --same-workspace` once"
        " (in Python: same_workspace=True)"
    )


def bind(connection: sqlite3.Connection, hash_api_key: KeyHasher) -> None:
    """Bind an archive to a key."""
    salt = os.urandom(_SALT_BYTES)
    fingerprint = hash_api_key(salt)
    with transaction(connection):
        connection.execute("UPDATE archive SET key_salt = ?, key_fingerprint = ?", (salt, fingerprint))
        if is_empty(connection):
            start_over(connection)
