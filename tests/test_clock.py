"""Time in which the process was stopped, or its event loop blocked, does not count against a request."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from service_process import service_process
from virtual_time import VirtualTimeLoop, in_virtual_time, now

from convai_async import ConvAIClient, RetryPolicy, endpoints
from convai_async._support.clock import RunningClock, Stopwatch
from convai_async.errors import ConnectionFailedError, RequestTimeoutError

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine


def stall(after: float, seconds: float) -> None:
    """Stop the loop for a number of seconds."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)

    def stand_still() -> None:
        loop.now += seconds

    loop.call_later(after, stand_still)


@in_virtual_time
async def test_clock_does_not_count_a_stall_while_it_is_used() -> None:
    clock = RunningClock(now)
    with clock:
        stall(after=3, seconds=60)
        await asyncio.sleep(10)
        assert clock() == pytest.approx(now() - 60, abs=0.51)
        assert clock.lost == pytest.approx(60, abs=0.51)
    await asyncio.sleep(1)
    before = clock.lost
    stall(after=1, seconds=60)
    await asyncio.sleep(2)
    assert clock.lost == before
    with clock:
        await asyncio.sleep(10)
        assert clock.lost == before
        stall(after=1, seconds=60)
        await asyncio.sleep(5)
        assert clock.lost == pytest.approx(before + 60, abs=0.51)


@in_virtual_time
async def test_clock_counts_short_delays_of_the_loop() -> None:
    clock = RunningClock(now)
    with clock:
        for seconds in range(1, 20):
            stall(after=seconds, seconds=0.9)
        await asyncio.sleep(60)
    assert clock.lost == 0


@in_virtual_time
async def test_clock_notices_stalls_until_its_last_user_ends() -> None:
    clock = RunningClock(now)
    with clock:
        with clock:
            await asyncio.sleep(2)
        stall(after=1, seconds=30)
        await asyncio.sleep(2)
        assert clock.lost > 29


def test_clock_can_be_used_in_another_loop() -> None:
    clock = RunningClock(now)

    @in_virtual_time
    async def use() -> None:
        with clock:
            stall(after=1, seconds=30)
            await asyncio.sleep(2)

    use()
    before = clock.lost
    clock.reset()
    use()
    assert clock.lost > before + 29


async def sleep_within(clock: RunningClock, timeout: float, seconds: float) -> None:
    with clock:
        async with clock.timeout(timeout):
            await asyncio.sleep(seconds)


@in_virtual_time
async def test_timeout_ends_later_by_a_stall() -> None:
    clock = RunningClock(now)
    stall(after=3, seconds=60)
    await sleep_within(clock, timeout=10, seconds=65)
    began = now()
    stall(after=3, seconds=60)
    with pytest.raises(TimeoutError):
        await sleep_within(clock, timeout=10, seconds=1000)
    assert now() - began == pytest.approx(70, abs=0.51)


@in_virtual_time
async def test_timeout_that_is_disabled_or_over_stays_so_in_a_stall() -> None:
    clock = RunningClock(now)
    async with clock.timeout(10) as over:
        pass
    assert not over.expired()
    with clock:
        async with clock.timeout(10) as disabled:
            disabled.reschedule(None)
            stall(after=3, seconds=60)
            await asyncio.sleep(1000)


def engine_with(retry: RetryPolicy | None) -> Engine:
    engine = ConvAIClient("key", retry=retry)._engine
    engine.running = engine.clock = RunningClock(now)
    engine.sleep = asyncio.sleep
    return engine


class Attempts:
    """Attempts that take 5 seconds and time out after 10."""

    def __init__(self, *, ambiguous: bool = True, seconds: float = 5.0) -> None:
        self.started = 0
        self._ambiguous = ambiguous
        self._seconds = seconds

    async def __call__(self) -> str:
        self.started += 1
        try:
            async with asyncio.timeout(10):
                await asyncio.sleep(self._seconds)
        except TimeoutError:
            raise RequestTimeoutError("too slow", ambiguous=self._ambiguous) from None
        return "done"


class SlowOnce(Attempts):
    """Attempts of which the first one never ends."""

    async def __call__(self) -> str:
        self._seconds = 5.0 if self.started else 1000.0
        return await super().__call__()


@pytest.mark.parametrize("attempts", [1, 5])
@in_virtual_time
async def test_attempt_that_timed_out_in_a_stall_is_repeated_without_counting(attempts: int) -> None:
    attempt = SlowOnce()
    stall(after=2, seconds=60)
    assert await engine_with(RetryPolicy(attempts=attempts, timeout=20)).run_with_retries(attempt) == "done"
    assert attempt.started == 2


@in_virtual_time
async def test_retry_timeout_does_not_count_a_stall() -> None:
    attempt = SlowOnce()
    policy = RetryPolicy(attempts=2, timeout=20, wait_initial=0)
    stall(after=2, seconds=60)
    engine = engine_with(policy)
    with pytest.raises(RequestTimeoutError) as caught:
        await engine.run_with_retries(Attempts(seconds=1000))
    assert caught.value.attempts == 2
    assert now() == pytest.approx(62 + 20, abs=1)
    assert await engine.run_with_retries(attempt) == "done"


@in_virtual_time
async def test_attempts_end_although_each_is_stalled() -> None:
    attempt = Attempts(seconds=1000)
    loop = asyncio.get_running_loop()

    def stall_again() -> None:
        stall(after=0, seconds=30)
        loop.call_later(5, stall_again)

    loop.call_later(2, stall_again)
    with pytest.raises(RequestTimeoutError):
        await engine_with(RetryPolicy(attempts=3, timeout=None, wait_initial=0)).run_with_retries(attempt)
    assert attempt.started == 6


@pytest.mark.parametrize(("ambiguous", "unsafe", "started"), [(True, False, 1), (False, False, 2), (True, True, 2)])
@in_virtual_time
async def test_post_is_repeated_after_a_stall_only_if_that_is_safe(ambiguous: bool, unsafe: bool, started: int) -> None:
    attempt = Attempts(ambiguous=ambiguous, seconds=1000)
    stall(after=2, seconds=60)
    with pytest.raises(RequestTimeoutError):
        await engine_with(RetryPolicy(attempts=1, retry_non_idempotent=unsafe)).run_with_retries(
            attempt, idempotent=False
        )
    assert attempt.started == started


@in_virtual_time
async def test_timeout_without_a_stall_counts_as_an_attempt() -> None:
    attempt = Attempts(seconds=1000)
    engine = engine_with(RetryPolicy(attempts=1))
    stall(after=100, seconds=60)
    for expected in (1, 2):
        with pytest.raises(RequestTimeoutError) as caught:
            await engine.run_with_retries(attempt)
        assert (attempt.started, caught.value.attempts) == (expected, 1)


@in_virtual_time
async def test_connection_lost_in_a_stall_counts_as_an_attempt() -> None:
    started = 0

    async def attempt() -> None:
        nonlocal started
        started += 1
        await asyncio.sleep(5)
        raise ConnectionFailedError("lost")

    stall(after=2, seconds=60)
    with pytest.raises(ConnectionFailedError) as caught:
        await engine_with(RetryPolicy(attempts=1)).run_with_retries(attempt)
    assert (started, caught.value.attempts) == (1, 1)


@in_virtual_time
async def test_attempt_in_a_stall_is_not_repeated_without_retry() -> None:
    attempt = Attempts(seconds=1000)
    stall(after=2, seconds=60)
    with pytest.raises(RequestTimeoutError):
        await engine_with(None).run_with_retries(attempt)
    assert attempt.started == 1


@pytest.mark.parametrize(
    ("timeout", "used", "stalled", "ends"), [(0.25, 0, 0, 0.25), (20, 15, 0, 20), (20, 0, 60, 80), (20, 15, 60, 80)]
)
@in_virtual_time
async def test_waiting_for_a_slot_ends_with_the_retry_timeout(
    timeout: float, used: float, stalled: float, ends: float
) -> None:
    engine = engine_with(RetryPolicy(timeout=timeout))
    stopwatch = Stopwatch(engine.clock)
    for _ in range(engine.limiter.limit):
        await engine.limiter.acquire()
    with engine.running:
        await asyncio.sleep(used)
        stall(after=2, seconds=stalled)
        with pytest.raises(RequestTimeoutError, match="was not sent"):
            await engine.stream_once(endpoints.list_conversations(), stopwatch).__aenter__()
    assert now() == pytest.approx(ends, abs=0.51 if stalled else 0.01)


def run_with_a_stop(command: list[str]) -> str:
    """Run a program, stop it for four seconds when it asks for that, and return what it prints afterwards."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "stop me\n"
        os.kill(child.pid, signal.SIGSTOP)
        try:
            child.wait(timeout=4)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGCONT)
        return child.stdout.readline()


STOPPED = """
import asyncio, sys
from convai_async import ConvAIClient, RetryPolicy

async def read(client, conversation_id):
    async with client.conversations.audio.stream(conversation_id) as audio:
        return [len(chunk) async for chunk in audio]

async def main(url, key, conversation_id):
    async with ConvAIClient(key, base_url=url, timeout=3) as client:
        once = client.with_options(retry=None)
        results = asyncio.gather(
            client.conversations.feedback.create(conversation_id, feedback="like"),
            client.conversations.wait(conversation_id, timeout=3),
            read(client, conversation_id),
            once.conversations.get(conversation_id),
            read(once, conversation_id),
            return_exceptions=True,
        )
        asyncio.get_running_loop().call_later(0.5, lambda: print("stop me", flush=True))
        print([repr(result) for result in await results if isinstance(result, Exception)])

asyncio.run(main(*sys.argv[1:]))
"""


def test_no_timeout_counts_the_time_in_which_the_process_was_stopped() -> None:
    with service_process(conversations=1, latency=1.5) as service:
        command = [sys.executable, "-c", STOPPED, service.url, service.api_key, *service.conversations]
        assert run_with_a_stop(command) == "[]\n"


CHILD = """
import asyncio, sys
from convai_async import ConvAIClient, RetryPolicy, endpoints

async def main(url, key, ids):
    retry = RetryPolicy(attempts=1, timeout=3)
    async with ConvAIClient(key, base_url=url, timeout=3, retry=retry, max_concurrency=8) as client:
        client._engine.limiter._maximum = client._engine.limiter._allowed = 50
        requests = [client.send_raw(endpoints.get_conversation(each)) for each in ids]
        asyncio.get_running_loop().call_later(0.1, lambda: print("stop me", flush=True))
        results = await asyncio.gather(*requests, return_exceptions=True)
        print([repr(result) for result in results if isinstance(result, Exception)])

asyncio.run(main(*sys.argv[1:3], sys.argv[3:]))
"""


def test_a_stopped_process_loses_none_of_its_requests_in_flight() -> None:
    with service_process(conversations=50, latency=0.5) as service:
        command = [sys.executable, "-c", CHILD, service.url, service.api_key, *service.conversations]
        assert run_with_a_stop(command) == "[]\n"
