"""The lease of a workspace: which process may harvest into it.

A lease has a number. Each transaction of its holder checks that the number is still its own, so that a process that
was stopped for long cannot write after another has taken over. All times are those of the database's clock. The holder
has an advisory lock for the number, which ends with the process: one that died is replaced without waiting.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from convai_async.archive._errors import ArchiveBusyError, ArchiveError
from convai_async.archive._postgres._connection import PostgresConnection
from convai_async.archive._sql import close_on_error, fetch_value

if TYPE_CHECKING:
    from convai_async.archive._location import PostgresUrl

_logger = logging.getLogger("convai_async")

LEASE_SECS = 30
"""Seconds after which the lease of a process that was stopped can be taken over."""

_RENEW_SECS = 5.0
_LOCK_OF_NUMBER = "hashtextextended(?, ?)"


class Lease:
    """A lease, renewed by a thread until it is released.

    Args:
        url: The workspace.
        writer_pid: The server's process for the holder's writing connection. The next holder ends it, since a stopped
            process can hold locks.

    Raises:
        ArchiveBusyError: Another process has it.
    """

    def __init__(self, url: PostgresUrl, writer_pid: int) -> None:
        self._url = url
        self._released = Event()
        self._connection = PostgresConnection(url, read_only=False)
        with close_on_error(self._connection):
            self._number = self._acquire(writer_pid)
        self._thread = Thread(target=self._keep, name="convai-async-lease", daemon=True)
        self._thread.start()

    def check(self, connection: PostgresConnection) -> None:
        """Make sure, in a transaction, that the lease was not taken over, and cannot be until it ends.

        Raises:
            ArchiveError: Another process has taken over.
        """
        number = fetch_value(
            connection, "SELECT number FROM convai.leases WHERE workspace = ? FOR KEY SHARE", self._url.workspace
        )
        if number != self._number:
            raise ArchiveError(
                f"another process has taken over {str(self._url)!r}, since this one did not respond for"
                f" {LEASE_SECS} s. What this one wrote is kept, and it writes nothing more: wait for the other one"
            )

    def release(self) -> None:
        """Let others harvest."""
        self._released.set()
        self._thread.join()
        with suppress(ArchiveError):  # it expires
            self._connection.execute(
                "UPDATE convai.leases SET expires_at = NULL, backend_pid = NULL WHERE workspace = ? AND number = ?",
                (self._url.workspace, self._number),
            )
        self._connection.close()

    def _acquire(self, writer_pid: int) -> int:
        execute, workspace = self._connection.execute, self._url.workspace
        execute("INSERT INTO convai.leases (workspace) VALUES (?) ON CONFLICT DO NOTHING", (workspace,))
        [(number, backend_pid, has_expired)] = execute(
            "SELECT number, backend_pid, coalesce(expires_at < clock_timestamp(), true) FROM convai.leases"
            " WHERE workspace = ?",
            (workspace,),
        )
        is_dead = fetch_value(self._connection, f"SELECT pg_try_advisory_lock({_LOCK_OF_NUMBER})", workspace, number)
        if not (is_dead or has_expired):
            raise ArchiveBusyError(f"another process is writing to {str(self._url)!r}: wait for it, or stop it")
        if backend_pid is not None and not is_dead:
            _logger.warning("taking over %s from a process that has not responded for %d s", self._url, LEASE_SECS)
            self._end_writer(backend_pid, number)
        execute("BEGIN")
        taken = execute(
            "UPDATE convai.leases SET number = number + 1, backend_pid = ?,"
            " expires_at = clock_timestamp() + make_interval(secs => ?)"
            " WHERE workspace = ? AND number = ? RETURNING number",
            (writer_pid, LEASE_SECS, workspace, number),
        ).fetchone()
        if taken is None:
            raise ArchiveBusyError(f"another process has just begun to write to {str(self._url)!r}: wait for it")
        execute(f"SELECT pg_advisory_lock({_LOCK_OF_NUMBER})", (workspace, taken[0]))
        self._connection.commit()
        if is_dead:
            execute(f"SELECT pg_advisory_unlock({_LOCK_OF_NUMBER})", (workspace, number))
        return int(taken[0])

    def _end_writer(self, backend_pid: int, number: int) -> None:
        # A transaction of a stopped process would hold its locks as long as the process is stopped.
        self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid = ? AND application_name = 'convai_async' AND usename = current_user"
            " AND EXISTS (SELECT 1 FROM convai.leases WHERE workspace = ? AND number = ?)",
            (backend_pid, self._url.workspace, number),
        )

    def _keep(self) -> None:
        while not self._released.wait(_RENEW_SECS):
            try:
                self._connection.execute(
                    "UPDATE convai.leases SET expires_at = clock_timestamp() + make_interval(secs => ?)"
                    " WHERE workspace = ? AND number = ?",
                    (LEASE_SECS, self._url.workspace, self._number),
                )
            except ArchiveError as error:
                _logger.warning("the lease of %s could not be renewed: %s", self._url, error)
                if self._connection.raw.closed:  # writing will fail
                    return
