"""Divide the service's limit on requests in flight between the processes that use the same API key.

A process has one connection to PostgreSQL for this. It renews its part of each key's limit every two seconds, and
earlier when something changes: a request was rejected, a pause starts, an interactive request waits, or another process
sent a notification. Requests never wait for the database.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from convai_async._support.tasks import wait_all_shielded
from convai_async.archive import ArchiveError
from convai_async.client import get_engine
from convai_async.workers import _key_limits_table as table
from convai_async.workers._database import connect
from convai_async.workers._key_part import KeyPart
from convai_async.workers._limit_policy import compute_renewal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from psycopg import Notify

    from convai_async._transport.limiter import ConcurrencyLimiter
    from convai_async.client import ConvAIClient
    from convai_async.workers._database import Connection, Database

_logger = logging.getLogger("convai_async.workers")

_LEASE_SECS = 8.0
_QUERY_SECS = 3.0
_RECONNECT_SECS = 1.0
_NEW_PAUSE_SECS = 0.1
"""Two pauses that end at times which differ by less than this are the same pause."""


class KeyLimits:
    """The API keys of this process, whose limits it shares with other processes while they are used.

    Args:
        database: The database, which has the tables of the workers.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._salt = b""
        self._holder = secrets.token_hex(8)
        self._keys: dict[bytes, KeyPart] = {}
        self._left: set[bytes] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_disconnected = False

    @asynccontextmanager
    async def join(self, client: ConvAIClient, limiter: ConcurrencyLimiter | None = None) -> AsyncIterator[None]:
        """Share the limit of the client's API key while the block runs.

        The clients of this process with the same key share the limiter of the first one. Call it before the first
        request of the client, and before `ConvAIClient.with_options`.

        Args:
            client: The client.
            limiter: The limiter for its requests; by default that of the client.

        Raises:
            ArchiveError: The database cannot be reached, or has no such tables.
        """
        engine = get_engine(client)
        if not self._salt:
            async with connect(self._database) as connection:
                self._salt = await table.read_salt(connection)
        fingerprint = client.hash_api_key(self._salt)
        self._start()
        if fingerprint not in self._keys:
            self._left.discard(fingerprint)
            self._keys[fingerprint] = KeyPart(limiter or engine.limiter, self._wake.set)
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
                if not self._keys and self._task is not None:
                    await wait_all_shielded([self._task])

    def _start(self) -> None:
        """Run the renewals in the background; they end when no key is left."""
        if self._task is None or self._task.done():
            self._wake = asyncio.Event()
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                async with connect(self._database) as connection:
                    await self._serve(connection)
            except (ArchiveError, TimeoutError) as error:
                if not self._is_disconnected:
                    _logger.warning("the limits of API keys are not shared with other processes for now: %s", error)
                self._is_disconnected = True
                await anyio.sleep(_RECONNECT_SECS)
            if not self._keys:
                return

    async def _serve(self, connection: Connection) -> None:
        """Renew the keys' parts of their limits over a connection, until it fails or no key is left."""
        own_pid = connection.info.backend_pid

        def note(notification: Notify) -> None:
            key = self._keys.get(bytes.fromhex(notification.payload))
            if key is not None and notification.pid != own_pid:
                key.note_notification()

        connection.add_notify_handler(note)
        await connection.execute(table.LISTEN)
        while True:
            self._wake.clear()
            await self._renew_all(connection)
            if not self._keys:
                return
            await self._wait(connection)

    async def _renew_all(self, connection: Connection) -> None:
        await self._leave(connection)
        now = asyncio.get_running_loop().time()
        for fingerprint, key in tuple(self._keys.items()):
            if key.due_at <= now:
                async with asyncio.timeout(_QUERY_SECS):
                    await self._renew(connection, fingerprint, key)
        if self._is_disconnected:
            self._is_disconnected = False
            _logger.info("the limits of API keys are shared with other processes again")

    async def _renew(self, connection: Connection, fingerprint: bytes, key: KeyPart) -> None:
        while True:  # until no other process writes in between
            started = asyncio.get_running_loop().time()
            stored = await table.read_or_add(connection, fingerprint)
            limit, grant = compute_renewal(stored.limit, self._holder, key.take_report(), stored.rotation)
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

    async def _leave(self, connection: Connection) -> None:
        """Give back the parts of the keys that are not used any more."""
        while self._left:
            async with asyncio.timeout(_QUERY_SECS):
                await table.leave(connection, self._left.pop(), self._holder)

    async def _wait(self, connection: Connection) -> None:
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
            async with asyncio.timeout(_QUERY_SECS):
                await connection.execute("SELECT")  # receives notifications, or the end of the connection
