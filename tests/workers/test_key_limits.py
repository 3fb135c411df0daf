"""Processes with one key divide its limit through PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
from simulated_processes import SimulatedProcess, SimulatedService
from unmeasured import unmeasured

from convai_async import ConvAIClient
from convai_async._transport.limiter import ConcurrencyLimiter
from convai_async.archive import ArchiveError
from convai_async.client import get_engine
from convai_async.testing import FakeConvAI
from convai_async.workers import _key_limits, _key_limits_table, prepare_database
from convai_async.workers._database import parse_database
from convai_async.workers._key_limits import KeyLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from postgres import PostgresServer

pytest_plugins = ["postgres_fixtures"]

WORKER = Path(__file__).parents[1] / "support" / "limit_worker.py"
KEY = "key-of-two-processes"
REQUESTS = int(os.environ.get("LIMIT_REQUESTS", "200"))
MAX_REFUSED = 0.01 if REQUESTS > 2000 else 0.1  # a few are rejected in the first seconds after a process has joined

END_OF_WORKERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'convai-async' AND datname = current_database()
"""


class Row(NamedTuple):
    holder: str
    slots: int
    is_expired: bool


class Database:
    """A database with the tables."""

    def __init__(self, url: str) -> None:
        self.url = parse_database(url)
        self.connection = psycopg.connect(self.url.dsn, autocommit=True)

    def ask(self, query: str) -> list[Any]:
        cursor = self.connection.execute(query)
        return cursor.fetchall() if cursor.description else []

    def holders(self) -> list[Row]:
        query = "SELECT holder, slots, expires_at <= now() FROM convai_keys.key_limit_holders ORDER BY slots"
        return [Row(*row) for row in self.ask(query)]

    def slots(self) -> list[int]:
        return [row.slots for row in self.holders() if not row.is_expired]

    async def wait_for_slots(self, processes: int, at_least: int) -> None:
        """Wait until as many processes have leases, and each has as many slots."""
        await self.wait_for(lambda: len(self.slots()) == processes and min(self.slots()) >= at_least)

    async def wait_for(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await asyncio.sleep(0.05)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    await prepare_database(postgres_url)
    database = Database(postgres_url)
    with database.connection:
        yield database


@pytest.fixture
async def client() -> AsyncIterator[ConvAIClient]:
    async with ConvAIClient(KEY, base_url="http://localhost:1") as client:
        yield client


@asynccontextmanager
async def sender(
    database: Database, client: ConvAIClient, service: SimulatedService
) -> AsyncIterator[SimulatedProcess]:
    """Send bulk requests, as a process of its own would."""
    process = SimulatedProcess(service)
    async with KeyLimits(database.url).join(client, process.limiter):
        sending = asyncio.create_task(process.send_until(float("inf"), tasks=32))
        try:
            yield process
        finally:
            sending.cancel()
            await asyncio.wait([sending])


async def test_processes_divide_the_limit_while_they_use_the_key(database: Database, client: ConvAIClient) -> None:
    service = SimulatedService(12, seed=1)
    async with sender(database, client, service) as first:
        await database.wait_for_slots(1, at_least=11)
        async with sender(database, client, service) as second:
            await database.wait_for_slots(2, at_least=5)
            await database.wait_for(lambda: first.limiter.limit <= 7 and second.limiter.limit >= 5)
        await database.wait_for_slots(1, at_least=11)
        await database.wait_for(lambda: first.limiter.limit >= 11)
    assert database.holders() == []
    [(found,)] = database.ask("SELECT found FROM convai_keys.key_limits")
    assert found == pytest.approx(12, abs=2)


async def test_pause_of_one_process_is_everybodys(database: Database, client: ConvAIClient) -> None:
    service = SimulatedService(12, seed=1)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(sender(database, client, service)) for _ in range(2)]
        await database.wait_for(lambda: len(database.slots()) == 2)
        first.limiter.throttle(100)
        await database.wait_for(lambda: second.limiter.throttle_left > 90)
        third = await stack.enter_async_context(sender(database, client, service))
        await database.wait_for(lambda: third.limiter.throttle_left > 90)
        [(pause,)] = database.ask("SELECT extract(epoch FROM paused_until - now())::float8 FROM convai_keys.key_limits")
        assert 90 < pause < 100.5
        assert max(first.limiter.throttle_left, third.limiter.throttle_left) < 100.5


async def test_clients_of_one_process_share_a_limiter_until_the_last_leaves(database: Database) -> None:
    async with AsyncExitStack() as stack:
        first, second, other = [
            await stack.enter_async_context(ConvAIClient(key, base_url="http://localhost:1"))
            for key in (KEY, KEY, "another-key")
        ]
        limits = KeyLimits(database.url)
        async with limits.join(first):
            async with limits.join(second), limits.join(other):
                assert get_engine(second).limiter is get_engine(first).limiter
                assert get_engine(other).limiter is not get_engine(first).limiter
                await database.wait_for(lambda: len(database.holders()) == 2)
            await database.wait_for(lambda: len(database.holders()) == 1)
            assert get_engine(first).limiter.on_change is not None
        await database.wait_for(lambda: not database.holders())


async def test_slots_of_an_expired_lease_are_free(database: Database, client: ConvAIClient) -> None:
    service = SimulatedService(12, seed=1)
    async with sender(database, client, service):
        await database.wait_for(lambda: len(database.holders()) == 1)
        database.ask(
            "INSERT INTO convai_keys.key_limit_holders"
            " SELECT fingerprint, 'dead', now() - interval '1 second', 12, 12, 0, 99, 64, 1 FROM convai_keys.key_limits"
        )
        await database.wait_for(lambda: [row.holder == "dead" for row in database.holders()] == [False])
        await database.wait_for_slots(1, at_least=11)


async def test_write_after_that_of_another_process_is_repeated(database: Database, client: ConvAIClient) -> None:
    async with KeyLimits(database.url).join(client):
        await database.wait_for(lambda: len(database.holders()) == 1)
        [(fingerprint, version)] = database.ask("SELECT fingerprint, version FROM convai_keys.key_limits")
        async with await psycopg.AsyncConnection.connect(database.url.dsn, autocommit=True) as connection:
            stored = await _key_limits_table.read_or_add(connection, fingerprint)
            [holder] = stored.limit.holders
            for version, is_written in [(stored.version - 1, False), (stored.version, True)]:
                assert is_written == await _key_limits_table.write(
                    connection,
                    fingerprint,
                    holder,
                    version=version,
                    limit=stored.limit,
                    pause=0,
                    notify=False,
                    lease=60,
                )


async def test_processes_that_join_at_the_same_time_all_get_a_lease(database: Database, client: ConvAIClient) -> None:
    async with AsyncExitStack() as stack:
        joins = [KeyLimits(database.url).join(client, ConcurrencyLimiter(64)) for _ in range(6)]
        await asyncio.gather(*(stack.enter_async_context(join) for join in joins))
        await database.wait_for(lambda: len(database.holders()) == 6)
        assert sum(database.slots()) <= 8


async def test_client_can_leave_before_it_has_a_lease(database: Database, client: ConvAIClient) -> None:
    limits = KeyLimits(database.url)
    for _ in range(2):
        async with limits.join(client):
            pass
    async with limits.join(client):
        await database.wait_for(lambda: len(database.holders()) == 1)


async def test_key_is_stored_only_as_a_slow_hash_with_a_salt(database: Database, client: ConvAIClient) -> None:
    async with KeyLimits(database.url).join(client):
        await database.wait_for(lambda: len(database.holders()) == 1)
    [(fingerprint, salt)] = database.ask(
        "SELECT fingerprint, salt FROM convai_keys.key_limits, convai_keys.key_limits_salt"
    )
    assert fingerprint == client.hash_api_key(salt)
    assert len(salt) == 16
    assert fingerprint not in {hashlib.sha256(KEY.encode()).digest(), get_engine(client).session.key_digest}


async def test_key_is_in_no_message(database: Database, client: ConvAIClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with KeyLimits(database.url).join(client):
        await database.wait_for(lambda: len(database.holders()) == 1)
    assert KEY not in caplog.text


async def test_lost_connection_is_opened_again(
    database: Database, client: ConvAIClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "convai_async.workers")
    monkeypatch.setattr(_key_limits, "_RECONNECT_SECS", 0)
    async with KeyLimits(database.url).join(client):
        await database.wait_for(lambda: len(database.holders()) == 1)
        assert database.ask(END_OF_WORKERS) == [(True,)]
        await database.wait_for(lambda: len(caplog.messages) == 2)
        database.ask("DELETE FROM convai_keys.key_limit_holders")
        await database.wait_for(lambda: len(database.holders()) == 1)
    assert [message[:38] for message in caplog.messages] == [
        "the limits of API keys are not shared ",
        "the limits of API keys are shared with",
    ]


async def test_half_of_the_part_is_used_while_the_database_is_stopped(
    postgres_server: PostgresServer,
    client: ConvAIClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_key_limits, "_LEASE_SECS", 1.5)
    monkeypatch.setattr(_key_limits, "_RECONNECT_SECS", 0.1)
    await prepare_database(postgres_server.url)
    database = Database(postgres_server.url)
    database.connection.close()
    async with sender(database, client, SimulatedService(12, seed=1)) as process:
        await database.wait_for(lambda: process.limiter.limit >= 11)
        postgres_server.stop()
        await database.wait_for(lambda: process.limiter.limit <= 6)
        assert process.limiter.limit >= 4
        assert len(caplog.messages) == 2
        postgres_server.start()
        await database.wait_for(lambda: process.limiter.limit >= 11)


async def test_database_without_the_tables_is_an_error(postgres_url: str, client: ConvAIClient) -> None:
    with pytest.raises(ArchiveError, match="has no workspaces"):
        async with KeyLimits(parse_database(postgres_url)).join(client):
            pass


@asynccontextmanager
async def worker(
    fake: FakeConvAI, database: Database, *, lease: float = 3, clock: float = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process that sends bulk requests."""
    arguments = [fake.url, fake.api_key, database.url.dsn, "32", str(lease), str(clock)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), *arguments, stdin=pipe, stdout=pipe, env=unmeasured()
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"started\n"
    try:
        yield process
    finally:
        process.stdin.close()
        await process.wait()


@pytest.mark.slow
async def test_processes_with_different_clocks_share_a_key_when_some_join_are_stopped_or_killed(
    database: Database,
) -> None:
    async def count_refused(requests: int) -> float:
        sent, refused = len(fake.requests), fake.refused
        await database.wait_for(lambda: len(fake.requests) >= sent + requests)
        share = (fake.refused - refused) / (len(fake.requests) - sent)
        print(f"refused: {share:.2%} of {len(fake.requests) - sent}")
        return share

    async with AsyncExitStack() as stack:
        service = FakeConvAI(conversations=1, concurrency_limit=16, latency=(0.05, 0.15))
        fake = await stack.enter_async_context(service)
        first = await stack.enter_async_context(worker(fake, database))
        second = await stack.enter_async_context(worker(fake, database, clock=1e6))
        await database.wait_for_slots(2, at_least=7)
        assert await count_refused(REQUESTS) < MAX_REFUSED
        for clock in (7200.0, -7200.0):
            await stack.enter_async_context(worker(fake, database, clock=clock))
        await database.wait_for_slots(4, at_least=3)
        assert await count_refused(REQUESTS) < MAX_REFUSED
        assert fake.peak_in_flight == 16
        first.kill()
        second.send_signal(signal.SIGSTOP)
        await database.wait_for_slots(2, at_least=7)
        second.send_signal(signal.SIGCONT)
        await database.wait_for_slots(3, at_least=4)
    assert [row.is_expired for row in database.holders()] in ([], [True])  # of the process that was killed
