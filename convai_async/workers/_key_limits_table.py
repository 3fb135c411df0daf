"""The tables of the limits that processes with the same API key share, in PostgreSQL.

Times are those of the database's clock only, so that the clocks of the machines do not matter. A renewal reads a key's
rows, and writes them in one statement if nobody else has written in between. No transaction stays open between
statements: a process that is stopped at any time blocks nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convai_async.workers._limit_policy import Demand, Holder, KeyLimit

if TYPE_CHECKING:
    from convai_async.workers._database import Connection

CHANNEL = "convai_key_limits"
"""Notifications of a key's changes, with its fingerprint in hexadecimal digits."""

LISTEN = "LISTEN convai_key_limits"
"""Receives the notifications."""

_FIRST_FOUND = 8
_ROTATION_SECS = 10

KEY_LIMIT_TABLES = """
CREATE SCHEMA IF NOT EXISTS convai_keys;
CREATE TABLE IF NOT EXISTS convai_keys.key_limits_salt (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    salt bytea NOT NULL DEFAULT uuid_send(gen_random_uuid())
);
INSERT INTO convai_keys.key_limits_salt (is_only) VALUES (true) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS convai_keys.key_limits (
    fingerprint bytea PRIMARY KEY,
    version bigint NOT NULL DEFAULT 0,
    found double precision NOT NULL,
    prober text,
    paused_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE TABLE IF NOT EXISTS convai_keys.key_limit_holders (
    fingerprint bytea NOT NULL REFERENCES convai_keys.key_limits ON DELETE CASCADE,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL,
    slots integer NOT NULL,
    in_use integer NOT NULL,
    interactive integer NOT NULL,
    bulk integer NOT NULL,
    maximum integer NOT NULL,
    share double precision NOT NULL,
    PRIMARY KEY (fingerprint, holder)
);
"""
"""The tables, in a schema that roles for dashboards cannot read. Fingerprints are hashes of keys with the salt."""

_READ = """
SELECT version, found, prober, extract(epoch FROM greatest(paused_until, now()) - now())::float8,
       (extract(epoch FROM now()) / %s)::int8,
       holder, slots, in_use, interactive, bulk, maximum, share
FROM convai_keys.key_limits AS limits
LEFT JOIN convai_keys.key_limit_holders AS holders
    ON holders.fingerprint = limits.fingerprint AND expires_at > now()
WHERE limits.fingerprint = %s
"""

_WRITE = """
WITH updated AS (
    UPDATE convai_keys.key_limits
    SET version = version + 1, found = %(found)s, prober = %(prober)s,
        paused_until = greatest(paused_until, now() + %(pause)s * interval '1 second')
    WHERE fingerprint = %(fingerprint)s AND version = %(version)s
    RETURNING fingerprint
), expired AS (
    DELETE FROM convai_keys.key_limit_holders
    WHERE fingerprint IN (SELECT fingerprint FROM updated) AND expires_at <= now() AND holder <> %(holder)s
)
INSERT INTO convai_keys.key_limit_holders AS holders
SELECT fingerprint, %(holder)s, now() + %(lease)s * interval '1 second',
       %(slots)s, %(in_use)s, %(interactive)s, %(bulk)s, %(maximum)s, %(share)s
FROM updated
ON CONFLICT (fingerprint, holder) DO UPDATE
SET expires_at = excluded.expires_at, slots = excluded.slots, in_use = excluded.in_use,
    interactive = excluded.interactive, bulk = excluded.bulk, maximum = excluded.maximum, share = excluded.share
RETURNING CASE WHEN %(notify)s THEN pg_notify(%(channel)s, encode(fingerprint, 'hex')) END
"""

_LEAVE = """
WITH deleted AS (
    DELETE FROM convai_keys.key_limit_holders WHERE fingerprint = %(fingerprint)s AND holder = %(holder)s
    RETURNING fingerprint
), updated AS (
    UPDATE convai_keys.key_limits SET version = version + 1 WHERE fingerprint IN (SELECT fingerprint FROM deleted)
)
SELECT pg_notify(%(channel)s, encode(fingerprint, 'hex')) FROM deleted
"""


class StoredLimit(msgspec.Struct, frozen=True):
    """A key's limit as it was read.

    Attributes:
        version: The number of writes before.
        limit: The limit and its holders whose leases have not ended.
        pause: Seconds that are left of the pause which the service requested; 0 or less without a pause.
        rotation: A number that changes every ten seconds, the same for all processes.
    """

    version: int
    limit: KeyLimit
    pause: float
    rotation: int


async def read_salt(connection: Connection) -> bytes:
    """Return the salt of the fingerprints."""
    cursor = await connection.execute("SELECT salt FROM convai_keys.key_limits_salt")
    [(salt,)] = await cursor.fetchall()
    return bytes(salt)


async def read_or_add(connection: Connection, fingerprint: bytes) -> StoredLimit:
    """Read the limit of a key; add it if no process has used the key before."""
    cursor = await connection.execute(_READ, [_ROTATION_SECS, fingerprint])
    while not (rows := await cursor.fetchall()):
        await connection.execute(
            "INSERT INTO convai_keys.key_limits (fingerprint, found) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [fingerprint, _FIRST_FOUND],
        )
        cursor = await connection.execute(_READ, [_ROTATION_SECS, fingerprint])
    version, found, prober, pause, rotation = rows[0][:5]
    holders = {
        name: Holder(slots, in_use, Demand(interactive=interactive, bulk=bulk, maximum=maximum, share=share))
        for _, _, _, _, _, name, slots, in_use, interactive, bulk, maximum, share in rows
        if name is not None
    }
    return StoredLimit(version, KeyLimit(found, prober, holders), pause, rotation)


async def write(  # noqa: PLR0913 - the values of the rows
    connection: Connection,
    fingerprint: bytes,
    holder: str,
    *,
    version: int,
    limit: KeyLimit,
    pause: float,
    notify: bool,
    lease: float,
) -> bool:
    """Write the limit of a key and the row of a holder; return whether nobody has written since the limit was read.

    Args:
        connection: The connection, which commits each statement.
        fingerprint: The key.
        holder: The process.
        version: The version that was read.
        limit: The limit.
        pause: Seconds of a pause that the service requested from this process; 0 for none.
        notify: Whether other processes should renew now.
        lease: Seconds after which the holder's slots are free again.
    """
    own = limit.holders[holder]
    cursor = await connection.execute(
        _WRITE,
        {
            "fingerprint": fingerprint,
            "holder": holder,
            "version": version,
            "found": limit.found,
            "prober": limit.prober,
            "pause": pause,
            "lease": lease,
            "slots": own.slots,
            "in_use": own.in_use,
            "interactive": own.demand.interactive,
            "bulk": own.demand.bulk,
            "maximum": own.demand.maximum,
            "share": own.demand.share,
            "notify": notify or pause > 0,
            "channel": CHANNEL,
        },
    )
    return cursor.rowcount == 1


async def leave(connection: Connection, fingerprint: bytes, holder: str) -> None:
    """Give all slots of a holder back."""
    await connection.execute(_LEAVE, {"fingerprint": fingerprint, "holder": holder, "channel": CHANNEL})
