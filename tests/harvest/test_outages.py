"""A harvest waits for a service that cannot be reached, for a bounded time, and reports it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from convai_async import ConvAIClient, endpoints
from convai_async.client import get_engine
from convai_async.errors import ConnectionFailedError, ConvAIError, DecodeError, ServerError, TransportError
from convai_async.harvest._outages import OutageGuard
from convai_async.harvest._stopping import StopRequested
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from convai_async._transport.engine import Engine
    from convai_async.testing.faults import Fault

QUARTER = 15 * 60
COMMAND = [sys.executable, "-m", "convai_async", "harvest"]


class FakeClock:
    """A clock that moves only when somebody sleeps, or is told to, and what happens at which time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.events: list[tuple[float, Callable[[], Awaitable[None]]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        while self.events and self.events[0][0] <= sum(self.slept):
            await self.events.pop(0)[1]()


class OutageFixture:
    """A service that can go away, and a guard that has talked to it."""

    def __init__(self, service: FakeConvAI, client: ConvAIClient) -> None:
        self.service = service
        self.clock = FakeClock()
        self.stop = anyio.Event()
        self.problems: list[str | None] = []
        self.until: list[int | None] = []
        self.guard = OutageGuard(get_engine(client), self.stop, self._note, clock=self.clock, sleep=self.clock.sleep)

    def _note(self, problem: str | None, until: int | None) -> None:
        self.problems.append(problem)
        self.until.append(until)

    async def ask(self) -> int:
        return await self.guard.retry_through_outage(count_listed, isolated)

    async def go(self) -> None:
        self.port = int(self.service.url.rpartition(":")[2])
        await self.service.close()

    async def come_back(self) -> None:
        await self.service.start(self.port)


async def count_listed(engine: Engine) -> int:
    page = await engine.send(endpoints.list_conversations())
    return len(page)


def isolated(error: ConvAIError) -> int:
    return -1


@pytest.fixture
async def outage() -> AsyncIterator[OutageFixture]:
    async with (
        FakeConvAI(conversations=1) as service,
        ConvAIClient(service.api_key, base_url=service.url, retry=None) as client,
    ):
        made = OutageFixture(service, client)
        assert await made.ask() == 1
        yield made


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if (record.name, record.levelname) == ("convai_async", "WARNING")
    ]


async def test_outage_shorter_than_the_limit_is_waited_for(outage: OutageFixture) -> None:
    await outage.go()
    outage.clock.events = [(QUARTER - 10, outage.come_back)]
    assert await outage.ask() == 1
    assert QUARTER - 10 <= sum(outage.clock.slept) < QUARTER


async def test_outage_is_announced_before_the_first_wait_and_its_end_after_the_last(
    outage: OutageFixture, caplog: pytest.LogCaptureFixture
) -> None:
    await outage.go()
    seen: list[tuple[list[str], list[str | None]]] = []

    async def look() -> None:
        seen.append((warnings(caplog), list(outage.problems)))
        await outage.come_back()

    outage.clock.events = [(1, look)]
    before = time.time()
    assert await outage.ask() == 1
    ((logged, problems),) = seen
    assert len(logged) == len(problems) == 1
    assert problems[0] is not None
    assert problems[0].startswith("GET /v1/convai/conversations: no connection")
    assert outage.until[0] is not None
    until = datetime.fromtimestamp(outage.until[0], UTC)
    assert logged[0] == f"the harvest waits for the service, until {until:%H:%M:%S} UTC at the latest: {problems[0]}"
    assert before + QUARTER - 1 <= outage.until[0] <= time.time() + QUARTER
    assert warnings(caplog)[1:] == ["the harvest waited for 5 s"]
    assert (outage.problems[1:], outage.until[1:]) == ([None], [None])


async def test_outage_of_15_minutes_raises_its_error(outage: OutageFixture) -> None:
    await outage.go()
    with pytest.raises(TransportError):
        await outage.ask()
    assert sum(outage.clock.slept) == QUARTER
    assert outage.problems[-1] is None
    with pytest.raises(TransportError):
        await outage.ask()
    assert sum(outage.clock.slept) == QUARTER, "nobody waits again for what did not come back"
    await outage.come_back()
    outage.service.faults.add(faults.truncate())
    assert await outage.ask() == -1
    await outage.go()
    outage.clock.events = [(QUARTER + 20, outage.come_back)]
    assert await outage.ask() == 1, "a later outage is waited for"


@pytest.mark.parametrize("fault", [faults.status(502), faults.status(503), faults.html(504), faults.body(b"<html>")])
async def test_gateway_error_is_an_outage(outage: OutageFixture, fault: Fault) -> None:
    outage.service.faults.add(fault, times=4)
    assert await outage.ask() == 1
    assert outage.clock.slept == [5, 5, 5], "the request, and two probes, and one that the service answers"


async def test_undecodable_responses_for_15_minutes_are_a_failure_of_the_request(outage: OutageFixture) -> None:
    outage.service.faults.add(faults.body(b"<html>"), times=None)
    assert await outage.ask() == -1
    assert sum(outage.clock.slept) == QUARTER
    outage.service.faults.clear()
    outage.service.faults.add(faults.html(503), times=None)
    with pytest.raises(ServerError):
        await outage.ask()


@pytest.mark.parametrize("fault", [faults.truncate(), faults.status(503), faults.body(b"{")])
@pytest.mark.parametrize("probe", [faults.status(500), faults.status(401), faults.rate_limited()])
async def test_request_that_fails_while_the_service_answers_others_is_isolated(
    outage: OutageFixture, fault: Fault, probe: Fault
) -> None:
    outage.service.faults.add(fault)
    outage.service.faults.add(probe)
    assert await outage.ask() == -1
    assert (outage.clock.slept, outage.problems) == ([], [])


async def test_server_error_is_isolated_without_a_probe(outage: OutageFixture) -> None:
    outage.service.faults.add(faults.status(500))
    before = len(outage.service.requests)
    assert await outage.ask() == -1
    assert len(outage.service.requests) == before + 1


async def test_waiting_ends_when_the_run_is_stopped(outage: OutageFixture) -> None:
    await outage.go()

    async def stop() -> None:
        outage.stop.set()

    outage.clock.events = [(20, stop)]
    with pytest.raises(StopRequested):
        await outage.ask()
    assert sum(outage.clock.slept) == 20
    with pytest.raises(StopRequested):
        await outage.ask()
    assert sum(outage.clock.slept) == 20
    await outage.come_back()
    outage.service.faults.add(faults.rate_limited(retry_after=300))
    with pytest.raises(StopRequested):
        await outage.ask()
    assert sum(outage.clock.slept) == 20


async def test_requests_that_fail_in_one_outage_wait_together(outage: OutageFixture) -> None:
    await outage.go()
    outage.clock.events = [(20, outage.come_back)]
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await outage.ask())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
    assert answers == [1, 1, 1]
    assert sum(outage.clock.slept) == 20
    assert len(outage.problems) == 2


async def test_time_in_which_the_process_was_stopped_does_not_count(outage: OutageFixture) -> None:
    await outage.go()

    async def suspend() -> None:
        outage.clock.now += 10 * QUARTER

    outage.clock.events = [(100, suspend), (QUARTER - 80, outage.come_back)]
    assert await outage.ask() == 1
    assert len(outage.problems) == 3, "the new end of the wait is reported, too"
    first, second, _ = outage.until
    assert first is not None
    assert second is not None
    assert second < first, "by the clock of this test, which does not move"


async def test_time_of_slow_probes_counts_towards_the_wait(outage: OutageFixture) -> None:
    await outage.go()
    sleep = outage.clock.sleep

    async def slow(seconds: float) -> None:
        outage.clock.now += 10
        await sleep(seconds)

    outage.guard._sleep = slow
    with pytest.raises(TransportError):
        await outage.ask()
    assert sum(outage.clock.slept) == QUARTER / 3


async def test_rate_limited_request_is_retried_after_a_pause(outage: OutageFixture) -> None:
    outage.service.faults.add(faults.status(429), times=2)
    assert await outage.ask() == 1
    assert outage.clock.slept == [5, 5], "as it did not say for how long"
    assert outage.problems == [], "a short pause is not reported"


@pytest.mark.parametrize("seconds", [10, 60])
async def test_long_pause_is_announced(outage: OutageFixture, seconds: int) -> None:
    outage.service.faults.add(faults.status(429, headers={"retry-after": "0"}))
    outage.service.faults.add(faults.status(429, headers={"retry-after": str(seconds)}))
    limiter = outage.guard._engine.limiter

    async def end_pause() -> None:
        limiter._throttled_until = None

    outage.clock.events = [(seconds, end_pause)]
    assert await outage.ask() == 1
    assert outage.clock.slept == [0, seconds]
    assert outage.problems[0] is not None
    assert "returned 429" in outage.problems[0]
    assert outage.problems[1:] == [None]


async def test_pauses_of_more_than_15_minutes_in_total_are_a_failure(outage: OutageFixture) -> None:
    outage.service.faults.add(faults.status(429), times=None)
    assert await outage.ask() == -1
    assert sum(outage.clock.slept) == QUARTER


async def test_first_request_that_cannot_connect_ends_the_run(unused_tcp_port: int) -> None:
    clock = FakeClock()
    problems: list[str | None] = []
    async with ConvAIClient("key", base_url=f"http://127.0.0.1:{unused_tcp_port}") as client:
        guard = OutageGuard(
            get_engine(client),
            anyio.Event(),
            lambda problem, _: problems.append(problem),
            clock=clock,
            sleep=clock.sleep,
        )
        with pytest.raises(ConnectionFailedError):
            await guard.retry_through_outage(count_listed, isolated)
    assert clock.slept == [5, 5]
    assert len(problems) == 2


async def test_first_request_has_a_timeout_of_10_s(outage: OutageFixture) -> None:
    outage.guard._reached = False

    async def return_timeout(engine: Engine) -> float | None:
        return engine.timeout

    assert await outage.guard.retry_through_outage(return_timeout, isolated) == 10


async def test_first_request_waits_for_a_service_that_starts(outage: OutageFixture) -> None:
    await outage.go()
    outage.guard._reached = False
    outage.clock.events = [(5, outage.come_back)]
    assert await outage.ask() == 1
    assert outage.clock.slept == [5]
    assert outage.problems[0] is not None, "announced before the first wait"
    assert outage.problems[1:] == [None]
    assert outage.guard._reached


async def test_first_request_that_cannot_connect_ends_when_the_run_is_stopped(outage: OutageFixture) -> None:
    await outage.go()
    outage.guard._reached = False
    outage.stop.set()
    with pytest.raises(StopRequested):
        await outage.ask()


@pytest.mark.parametrize(
    "fault", [faults.status(500), faults.rate_limited(retry_after=0), faults.drop(), faults.body(b"")]
)
async def test_first_request_with_another_error_is_repeated_with_retries(outage: OutageFixture, fault: Fault) -> None:
    outage.guard._reached = False
    outage.service.faults.add(fault)
    assert await outage.ask() == 1
    assert outage.clock.slept == []
    assert outage.guard._reached, "an outage from now on is waited for"


async def test_untrusted_certificate_ends_the_run_immediately(outage: OutageFixture) -> None:
    error = ConnectionFailedError("no trusted connection", ambiguous=False, retryable=False)
    outage.guard._reached = False

    async def fail(_: Engine) -> int:
        raise error

    with pytest.raises(ConnectionFailedError):
        await outage.guard.retry_through_outage(fail, isolated)
    assert outage.clock.slept == []


async def test_decode_error_of_a_readable_service_is_isolated(outage: OutageFixture) -> None:
    async def fail(_: Engine) -> int:
        raise DecodeError("not a conversation")

    assert await outage.guard.retry_through_outage(fail, isolated) == -1


async def next_line(stream: asyncio.StreamReader | None, words: str) -> str:
    """Return the next line that has these words."""
    assert stream is not None
    while line := (await stream.readline()).decode():
        if words in line:
            return line
    raise AssertionError(f"no line with {words!r}")


async def test_process_that_cannot_connect_ends_with_an_error_before_15_minutes(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    address = f"http://127.0.0.1:{unused_tcp_port}"
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        str(tmp_path / "calls.db"),
        "--base-url",
        address,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"ELEVENLABS_API_KEY": "key-of-a-test"},
    )
    assert "no connection" in await next_line(process.stderr, "waits for the service")
    assert "no connection" in await next_line(process.stderr, "convai-async: ")
    assert await process.wait() == 1


async def test_process_reports_an_outage_and_resumes_after_it(tmp_path: Path) -> None:
    async with FakeConvAI(conversations=400, latency=0.05) as fake:
        port = int(fake.url.rpartition(":")[2])
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            str(tmp_path / "calls.db"),
            "--base-url",
            fake.url,
            "--json",
            "--max-concurrency",
            "4",
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"ELEVENLABS_API_KEY": fake.api_key},
        )
        while len(fake.requests("get_conversation")) < 20:
            await asyncio.sleep(0.02)
        await fake.close()
        progress: dict[str, Any] = json.loads(await next_line(process.stdout, '"waiting_for":"'))
        assert "no connection" in progress["waiting_for"]
        assert 0 < progress["waiting_until_unix_secs"] - time.time() <= QUARTER
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1)
        await fake.start(port)
        process.send_signal(signal.SIGCONT)
        await next_line(process.stdout, '"waiting_for":null')
        report = json.loads(await next_line(process.stdout, '"event":"report"'))
        assert await process.wait() == 0
        assert (report["fetched"], report["failed"], report["complete"]) == (400, 0, True)
