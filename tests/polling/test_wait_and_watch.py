from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ConvAIClient, ConversationNotReadyError
from convai_async.errors import AuthenticationError, InvalidArgumentError, NotFoundError
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Time:
    """A clock that advances when code sleeps, and the events at given times."""

    def __init__(self, client: ConvAIClient) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.events: list[Callable[[], object]] = []
        client._engine.clock = lambda: self.now
        client._engine.sleep = self.sleep

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if self.events:
            self.events.pop(0)()


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=30, unfinished=3, seed=4, days=0.3) as service:
        yield service


@pytest.fixture
async def client(fake: FakeConvAI) -> AsyncIterator[ConvAIClient]:
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as opened:
        yield opened


@pytest.fixture
def time(client: ConvAIClient) -> Time:
    return Time(client)


async def test_wait_returns_the_conversation_when_it_is_done(
    client: ConvAIClient, fake: FakeConvAI, time: Time
) -> None:
    conversation_id = next(iter(fake.conversations))
    time.events = [lambda: None, lambda: None, lambda: fake.finish(conversation_id)]
    conversation = await client.conversations.wait(conversation_id)
    assert conversation.status == "done"
    assert time.pauses == [1.0, 1.5, 2.25]


async def test_wait_sends_the_last_request_at_its_timeout(client: ConvAIClient, fake: FakeConvAI, time: Time) -> None:
    conversation_id = next(iter(fake.conversations))
    time.events = [lambda: None, lambda: None, lambda: fake.finish(conversation_id)]
    assert (await client.conversations.wait(conversation_id, timeout=3)).status == "done"
    assert time.pauses == [1.0, 1.5, 0.5]


async def test_pauses_of_wait_grow_to_15_seconds(client: ConvAIClient, fake: FakeConvAI, time: Time) -> None:
    conversation_id = next(iter(fake.conversations))
    with pytest.raises(ConversationNotReadyError, match="'in-progress' after") as caught:
        await client.conversations.wait(conversation_id, timeout=100)
    assert max(time.pauses) == 15.0
    assert time.now <= 100
    assert caught.value.status == "in-progress"
    assert caught.value.conversation_id == conversation_id
    assert caught.value.retryable


async def test_wait_raises_when_the_conversation_failed(client: ConvAIClient, fake: FakeConvAI, time: Time) -> None:
    conversation_id = next(iter(fake.conversations))
    fake.finish(conversation_id, "failed")
    with pytest.raises(ConversationNotReadyError, match="has the final status 'failed'") as caught:
        await client.conversations.wait(conversation_id, timeout=None)
    assert not caught.value.retryable
    assert (await client.conversations.wait(conversation_id, until="failed")).status == "failed"
    assert time.pauses == []


async def test_wait_waits_for_a_conversation_that_is_missing(
    client: ConvAIClient, fake: FakeConvAI, time: Time
) -> None:
    fake.faults.add(faults.status(404), times=3)
    conversation_id = list(fake.conversations)[10]
    fake.finish(conversation_id)
    assert (await client.conversations.wait(conversation_id)).status == "done"
    assert len(time.pauses) == 3


async def test_wait_raises_not_found_when_the_conversation_stays_missing(client: ConvAIClient, time: Time) -> None:
    with pytest.raises(NotFoundError):
        await client.conversations.wait("conv_none")
    assert 30 < time.now < 60
    with pytest.raises(ConversationNotReadyError, match="does not exist yet after"):
        await client.conversations.wait("conv_none", timeout=5)


async def test_watch_returns_each_conversation_once_when_it_becomes_final(
    client: ConvAIClient, fake: FakeConvAI, time: Time
) -> None:
    ids = list(fake.conversations)
    unfinished = ids[:3]
    since = fake.conversations[ids[5]].start
    new: list[str] = []
    time.events = [
        lambda: fake.finish(unfinished[1]),
        lambda: new.append(fake.add()),
        lambda: fake.finish(unfinished[0]),
        lambda: fake.finish(unfinished[2]),
    ]
    got: list[str] = []
    async with client.conversations.watch(since=since) as watch:
        async for conversation in watch:
            got.append(conversation.conversation_id)
            assert conversation.status in {"done", "failed"}
            if len(got) == 7:
                break
    assert got[:3] == [ids[5], ids[4], ids[3]], "what was final already, from old to new"
    assert got[3:] == [unfinished[1], new[0], unfinished[0], unfinished[2]]
    assert set(time.pauses) == {30.0}


async def test_watch_continues_from_its_token_and_repeats_nothing(
    client: ConvAIClient, fake: FakeConvAI, time: Time
) -> None:
    ids = list(fake.conversations)
    for conversation_id in ids:
        fake.finish(conversation_id)
    got: list[str] = []
    token: str | None = None
    for _ in ids:
        options: dict[str, Any] = {"since": 0} if token is None else {"token": token}
        async with client.conversations.watch(**options) as watch:
            got.append((await anext(watch)).conversation_id)
            token = watch.token
    assert got == list(reversed(ids))


async def test_watch_continues_after_temporary_errors_and_raises_others(
    client: ConvAIClient, fake: FakeConvAI, time: Time
) -> None:
    fake.faults.add(faults.status(500), times=3)
    fake.faults.add(faults.truncate(), operation="get_conversation")
    fake.faults.add(faults.status(404), operation="get_conversation")
    fake.faults.add(faults.body(b"{}"), operation="get_conversation")
    oldest = list(reversed(list(fake.conversations)))
    async with client.conversations.watch(since=0, interval=7) as watch:
        first = await anext(watch)
        assert first.conversation_id == oldest[3], "two have to wait, one was deleted"
        assert time.pauses == [7.0] * 5
        fake.faults.add(faults.status(401))
        with pytest.raises(AuthenticationError):
            await anext(watch)
        assert (await anext(watch)).conversation_id == oldest[4], "and it can go on"
        async with asyncio.timeout(60):
            while (await anext(watch)).conversation_id != oldest[0]:
                pass


async def test_watch_skips_no_conversation_because_a_proxy_does_not_know_its_path(
    client: ConvAIClient, fake: FakeConvAI, time: Time
) -> None:
    oldest = list(fake.conversations)[-1]
    fake.faults.add(faults.html(404), operation="get_conversation", path=oldest)
    async with client.conversations.watch(since=0) as watch, asyncio.timeout(60):
        while (await anext(watch)).conversation_id != oldest:
            pass


async def test_watch_of_an_agent_returns_only_its_conversations(
    client: ConvAIClient, fake: FakeConvAI, time: Time
) -> None:
    agent_id = AGENTS[1][0]
    expected = [each for each in fake.conversations if fake.conversations.details(each)["agent_id"] == agent_id]
    async with client.conversations.watch(agent_id=agent_id, since=0) as watch:
        first = await anext(watch)
        assert first.agent_id == agent_id
        token = watch.token
    assert len(expected) > 1
    with pytest.raises(InvalidArgumentError, match=r"^token: belongs to a watch with agent_id='agent_billing'"):
        async with client.conversations.watch(token=token):
            pass


async def test_watch_forgets_old_conversations(client: ConvAIClient, fake: FakeConvAI, time: Time) -> None:
    for conversation_id in fake.conversations:
        fake.finish(conversation_id)
    async with client.conversations.watch(since=0) as watch:
        for _ in range(30):
            await anext(watch)
        fake.add()
        await anext(watch)
        assert len(watch._position.given) < 5
        fake.requests.clear()
        fake.add()
        await anext(watch)
        assert len(fake.requests) == 2, "a page of the list, and a conversation"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"until": "dnoe"}, r"until: must be 'initiated', .* or 'failed', got 'dnoe'"),
        ({"until": None}, "until: "),
        ({"until": ["done"]}, "until: "),
        ({"timeout": "5"}, "timeout: must be a number of seconds, 0 or more, got '5'"),
        ({"timeout": True}, "timeout: "),
        ({"timeout": -1}, "timeout: "),
        ({"timeout": float("nan")}, "timeout: "),
    ],
)
async def test_wait_refuses_an_unknown_status_and_an_invalid_timeout(
    client: ConvAIClient, fake: FakeConvAI, options: Any, problem: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{problem}"):
        await client.conversations.wait(next(iter(fake.conversations)), **options)
    assert fake.requests == []


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"interval": 0}, "interval: must be a number of seconds, more than 0, got 0$"),
        ({"interval": "30"}, "interval"),
        ({"interval": True}, "interval"),
        ({"interval": float("nan")}, "interval"),
        ({"token": "nonsense"}, "token"),
        ({"token": "bm9uc2Vuc2U="}, "token"),
        ({"token": "x", "since": 5}, "token"),
        ({"since": "yesterday"}, "since"),
        ({"token": 5}, "token"),
        ({"agent_id": "\n"}, "agent_id"),
        ({"agent_id": ""}, "agent_id"),
        ({"agent_id": 5}, "agent_id"),
    ],
)
async def test_invalid_arguments_of_watch_are_refused_by_name(
    client: ConvAIClient, options: Any, parameter: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}"):
        async with client.conversations.watch(**options):
            pass


async def test_watch_starts_now_by_default(client: ConvAIClient, fake: FakeConvAI, time: Time) -> None:
    time.events = [lambda: None, lambda: fake.add(start=4_000_000_000)]
    async with client.conversations.watch() as watch:
        conversation = await anext(watch)
    assert conversation.metadata.start_time_unix_secs == 4_000_000_000


async def test_start_in_the_future_does_not_hide_later_conversations(
    client: ConvAIClient, fake: FakeConvAI, time: Time
) -> None:
    milliseconds = fake.add(start=1_780_000_000_000)
    for conversation_id in fake.conversations:
        fake.finish(conversation_id)
    async with client.conversations.watch(since=0) as watch, asyncio.timeout(60):
        given = {(await anext(watch)).conversation_id for _ in fake.conversations}
        assert milliseconds in given
        new = fake.add(start=1_780_000_100)
        assert (await anext(watch)).conversation_id == new
        token = watch.token
    newer = fake.add(start=1_780_000_200)
    async with client.conversations.watch(token=token) as watch, asyncio.timeout(60):
        assert (await anext(watch)).conversation_id == newer


@pytest.mark.parametrize(
    "fault", [faults.status(403), faults.body(b"{}"), faults.body(b" " * 300_000), faults.status(500)]
)
async def test_watch_skips_a_conversation_that_cannot_be_fetched(
    fault: faults.Fault, fake: FakeConvAI, time: Time
) -> None:
    bad = fake.add(start=1)
    fake.faults.add(fault, path=bad, times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None, max_response_bytes=200_000) as client:
        client._engine.clock, client._engine.sleep = (lambda: time.now), time.sleep
        async with client.conversations.watch(since=0) as watch, asyncio.timeout(60):
            assert bad not in {(await anext(watch)).conversation_id for _ in range(20)}


@pytest.mark.parametrize("timeout", [0, 0.1])
async def test_wait_ends_at_its_timeout_although_the_service_hangs(fake: FakeConvAI, timeout: float) -> None:
    hangs = asyncio.Event()

    async def hang(request: Any, proceed: faults.Proceed) -> Any:
        await hangs.wait()
        return await proceed()

    fake.faults.add(hang, times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client, asyncio.timeout(60):
        with pytest.raises(ConversationNotReadyError, match="does not exist yet after 1 s"):
            await client.conversations.wait(next(iter(fake.conversations)), timeout=timeout)
        hangs.set()
        assert (await client.conversations.wait(list(fake.conversations)[-1], timeout=0)).status == "done"
