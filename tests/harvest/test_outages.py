"""What a harvest sits out, and what it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from convai_async import ConvAIClient
from convai_async.errors import ConvAIError, RateLimitError, TransportError
from convai_async.harvest._outages import Outages
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

QUARTER = 15 * 60


class Night:
    """A clock that moves when somebody sleeps, and what happens at which time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[tuple[float, Callable[[], Awaitable[None]]]] = []

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        while self.events and self.events[0][0] <= self.now:
            await self.events.pop(0)[1]()


@pytest.fixture
async def service() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=1) as fake:
        yield fake


class Watchman:
    """Outages of a service, through a night."""

    def __init__(self, service: FakeConvAI, client: ConvAIClient) -> None:
        self.service = service
        self.night = Night()
        self.stop = anyio.Event()
        self.client = client
        self.outages = Outages(client, self.stop, clock=lambda: self.night.now, sleep=self.night.sleep)

    async def ask(self) -> int:
        return len(await self.client.conversations.list())

    async def come_back(self) -> None:
        await self.service.start(self.port)

    async def go(self) -> None:
        self.port = int(self.service.url.rpartition(":")[2])
        await self.service.close()


@pytest.fixture
async def watchman(service: FakeConvAI) -> AsyncIterator[Watchman]:
    async with ConvAIClient(service.api_key, base_url=service.url, retry=None) as client:
        yield Watchman(service, client)


def failed(error: ConvAIError) -> int:
    return -1


async def test_a_service_that_comes_back_in_time_is_waited_for(watchman: Watchman) -> None:
    await watchman.go()
    watchman.night.events = [(QUARTER - 10, watchman.come_back)]
    assert await watchman.outages.keep_trying(watchman.ask, failed) == 1
    assert QUARTER - 10 <= watchman.night.now < QUARTER


async def test_a_service_that_stays_away_is_given_up_after_a_quarter_of_an_hour_and_said_to_be_away_at_once(
    watchman: Watchman, caplog: pytest.LogCaptureFixture
) -> None:
    await watchman.go()
    with pytest.raises(TransportError):
        await watchman.outages.keep_trying(watchman.ask, failed)
    assert QUARTER < watchman.night.now < QUARTER + 10
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith(
        "the harvest waits up to 15 min for the service: GET /v1/convai/conversations: no connection"
    )


async def test_nobody_waits_who_was_asked_to_stop(watchman: Watchman) -> None:
    await watchman.go()
    watchman.stop.set()
    with pytest.raises(TransportError):
        await watchman.outages.keep_trying(watchman.ask)
    assert watchman.night.now == 0


@pytest.mark.parametrize("code", [401, 500])
async def test_a_request_that_fails_alone_is_no_outage(watchman: Watchman, code: int) -> None:
    watchman.service.faults.add(faults.truncate())
    watchman.service.faults.add(faults.status(code))  # an answer, though it is none that helps
    assert await watchman.outages.keep_trying(watchman.ask, failed) == -1
    watchman.service.faults.add(faults.truncate())
    with pytest.raises(TransportError):
        await watchman.outages.keep_trying(watchman.ask)
    assert watchman.night.now == 0


async def test_several_that_fail_in_one_outage_wait_together(watchman: Watchman) -> None:
    await watchman.go()
    watchman.night.events = [(20, watchman.come_back)]
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await watchman.outages.keep_trying(watchman.ask))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
    assert answers == [1, 1, 1]
    assert watchman.night.now == 20


async def test_a_pause_that_the_service_asks_for_is_kept(watchman: Watchman) -> None:
    watchman.service.faults.add(faults.status(429), times=2)
    assert await watchman.outages.keep_trying(watchman.ask) == 1
    assert watchman.night.now == 10, "five seconds each, as it did not say"


async def test_pauses_without_end_are_given_up_after_a_quarter_of_an_hour(watchman: Watchman) -> None:
    watchman.service.faults.add(faults.status(429), times=None)
    assert await watchman.outages.keep_trying(watchman.ask, failed) == -1
    assert watchman.night.now == QUARTER
    with pytest.raises(RateLimitError):
        await watchman.outages.keep_trying(watchman.ask)
