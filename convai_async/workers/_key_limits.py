"""Divide the service's limit on requests in flight between the processes that use the same API key.

A process has one connection to PostgreSQL for this. It renews its part of each key's limit every two seconds, and at
once when something changes: a request was rejected, a pause starts, an interactive request waits, or another process
sent a notification. Requests never wait for the database.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import psycopg
from anyio.to_thread import run_sync

from convai_async._support.tasks import task_group
from convai_async.client import get_engine
from convai_async.workers import _key_limits_table as table
from convai_async.workers._key_share import KeyShare
from convai_async.workers._limit_policy import renew

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.client import ConvAIClient

_logger = logging.getLogger("convai_async")

_LEASE_SECS = 8.0
_QUERY_SECS = 3.0
_RECONNECT_SECS = 1.0
_NEW_PAUSE_SECS = 0.1
"""A pause that is longer than the stored one by less than this is the same pause."""
_ATTEMPTS = 5

_Connection = psycopg.AsyncConnection[Any]


@asynccontextmanager
async def open_key_limits(conninfo: str) -> AsyncIterator[KeyLimits]:
    """Open a connection through which the process shares the limits of its API keys with other processes.

    Args:
        conninfo: The URL of the PostgreSQL database, or its parameters, as for `psycopg.connect`.

    Raises:
        psycopg.Error: The database cannot be reached, or its tables cannot be created.
    """
    async with await _connect(conninfo) as connection:
        salt = await table.prepare(connection)
    limits = KeyLimits(salt, conninfo)
    async with task_group() as group:
        group.start_soon(limits.run)
        yield limits
        group.cancel_scope.cancel()


class KeyLimits:
    """The API keys of a process. Made by `open_key_limits`.

    Args:
        salt: Makes the fingerprints of keys, the same in all processes.
        conninfo: Where to connect again.
    """

    def __init__(self, salt: bytes, conninfo: str) -> None:
        self._salt = salt
        self._conninfo = conninfo
        self._holder = secrets.token_hex(8)
        self._keys: dict[bytes, KeyShare] = {}
        self._left: set[bytes] = set()
        self._wake = asyncio.Event()
        self._is_away = False

    @asynccontextmanager
    async def join(self, client: ConvAIClient) -> AsyncIterator[None]:
        """Share the limit of the client's API key while the block runs.

        The clients of this process with the same key share the limiter of the first one. Call it before the first
        request of the client, and before `ConvAIClient.with_options`.
        """
        engine = get_engine(client)
        fingerprint = await run_sync(client.hash_api_key, self._salt)
        if fingerprint not in self._keys:
            self._keys[fingerprint] = KeyShare(engine.limiter, self._wake.set)
            self._wake.set()
        key = self._keys[fingerprint]
        engine.limiter = key.limiter
        key.users += 1
        try:
            yield
        finally:
            key.users -= 1
            if key.users == 0:
                key.close()
                del self._keys[fingerprint]
                self._left.add(fingerprint)
                self._wake.set()

    async def run(self) -> None:
        """Renew the keys' parts of their limits until this is cancelled."""
        while True:
            try:
                async with await _connect(self._conninfo) as connection:
                    await self._serve(connection)
            except (psycopg.Error, OSError) as error:  # TimeoutError is an OSError
                if not self._is_away:
                    _logger.warning("the limits of API keys are not shared with other processes for now: %s", error)
                self._is_away = True
            await anyio.sleep(_RECONNECT_SECS)

    async def _serve(self, connection: _Connection) -> None:
        """Renew over a connection until it fails; give everything back when this is cancelled."""
        own_pid = connection.info.backend_pid

        def note(notification: psycopg.Notify) -> None:
            key = self._keys.get(bytes.fromhex(notification.payload))
            if key is not None and notification.pid != own_pid:
                key.note_notification()

        connection.add_notify_handler(note)
        await connection.execute(f"LISTEN {table.CHANNEL}")
        try:
            while True:
                self._wake.clear()
                with anyio.fail_after(_QUERY_SECS, shield=True):  # a query that is cancelled closes the connection
                    await self._renew_all(connection)
                await self._wait(connection)
        finally:
            with anyio.move_on_after(_QUERY_SECS, shield=True):
                await self._leave(connection, {*self._left, *self._keys})

    async def _renew_all(self, connection: _Connection) -> None:
        left, self._left = self._left, set()
        await self._leave(connection, left)
        now = asyncio.get_running_loop().time()
        for fingerprint, key in tuple(self._keys.items()):
            if key.due_at <= now:
                await self._renew(connection, fingerprint, key)
        if self._is_away:
            self._is_away = False
            _logger.info("the limits of API keys are shared with other processes again")

    async def _renew(self, connection: _Connection, fingerprint: bytes, key: KeyShare) -> None:
        for _ in range(_ATTEMPTS):
            started = asyncio.get_running_loop().time()
            stored = await table.read(connection, fingerprint)
            report = key.report()
            limit, grant = renew(stored.limit, self._holder, report, stored.turn)
            key.shrink(grant)
            pause = key.limiter.throttle_left
            written = await table.write(
                connection,
                fingerprint,
                self._holder,
                version=stored.version,
                limit=limit,
                pause=pause if pause > stored.pause + _NEW_PAUSE_SECS else 0,
                notify=key.should_notify(grant),
                lease=_LEASE_SECS,
            )
            if written:
                key.apply(grant, lease_end=started + _LEASE_SECS)
                if stored.pause > pause + _NEW_PAUSE_SECS:
                    key.limiter.throttle(stored.pause)
                return

    async def _leave(self, connection: _Connection, fingerprints: set[bytes]) -> None:
        for fingerprint in fingerprints:
            await table.leave(connection, fingerprint, self._holder)

    async def _wait(self, connection: _Connection) -> None:
        """Wait until a key is due, a key was added or removed, or the database has sent something."""
        loop = asyncio.get_running_loop()
        received = asyncio.Event()

        def note_readable() -> None:
            loop.remove_reader(descriptor)
            received.set()
            self._wake.set()

        descriptor = connection.fileno()
        loop.add_reader(descriptor, note_readable)
        try:
            due_at = min((key.due_at for key in self._keys.values()), default=math.inf)
            with anyio.move_on_after(due_at - loop.time()):
                await self._wake.wait()
        finally:
            loop.remove_reader(descriptor)
        if received.is_set():
            with anyio.fail_after(_QUERY_SECS, shield=True):
                await connection.execute("SELECT")  # receives notifications, or the end of the connection


async def _connect(conninfo: str) -> _Connection:
    return await psycopg.AsyncConnection.connect(
        conninfo, autocommit=True, connect_timeout=int(_QUERY_SECS), application_name="convai-async limits"
    )
