"""What goes wrong on the way, against a real server: what is repeated, what is raised, what is never sent."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import pickle
import re
import traceback
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from conftest import AT_ONCE

from convai_async import ConvAIClient, RetryPolicy, endpoints
from convai_async._transport.engine import Engine
from convai_async._transport.status_errors import error_from_reply, parse_concurrency_limit, parse_rate_limit_reset
from convai_async.errors import (
    APIStatusError,
    ClientClosedError,
    ConcurrencyLimitError,
    ConnectionFailedError,
    ConvAIError,
    DecodeError,
    IncompleteBodyError,
    NotFoundError,
    PaginationError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
)
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.endpoints import Response

ONCE = RetryPolicy(attempts=1)
PASSING = {
    "429": faults.rate_limited(),
    "429 concurrency": faults.rate_limited("concurrent_limit_exceeded"),
    "408": faults.status(408),
    "409": faults.status(409),
    "425": faults.status(425),
    "500": faults.status(500),
    "500 without detail": faults.status(500, shape=5),
    "502 page": faults.html(502),
    "504 empty": faults.body(b"", code=504),
    "dropped": faults.drop(),
    "truncated": faults.truncate(),
    "truncated chunks": faults.truncate(chunked=True),
}
SOMETHING_ELSE = {
    "half of the JSON": faults.body(b'{"conversations": [{"conversation_id": "conv_1", "agent'),
    "login page": faults.html(200),
    "empty": faults.body(b""),
    "empty object": faults.body(b"{}"),
    "null": faults.body(b"null"),
    "list": faults.body(b"[]"),
    "error with status 200": faults.status(200, shape=1),
}
"""Replies with status 200 that are not the document which was asked for."""


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_what_passes_is_waited_out(client: ConvAIClient, fake: FakeConvAI, fault: faults.Fault) -> None:
    rule = fake.faults.add(fault, times=2)
    conversation_id = next(iter(fake.conversations))
    response = await client.send_raw(endpoints.get_conversation(conversation_id))
    assert response.body == fake.conversations.document(conversation_id)
    assert rule.hits == 2


@pytest.mark.parametrize(
    ("fault", "error", "retryable"),
    [
        (faults.rate_limited(), RateLimitError, True),
        (faults.rate_limited("system_busy"), RateLimitError, True),
        (faults.rate_limited("concurrent_limit_exceeded"), ConcurrencyLimitError, True),
        (faults.rate_limited("too_many_concurrent_requests"), ConcurrencyLimitError, True),
        (faults.status(500), ServerError, True),
        (faults.html(503), ServerError, True),
        (faults.drop(), ConnectionFailedError, True),
        (faults.truncate(), IncompleteBodyError, True),
        (faults.body(b"<html>"), DecodeError, True),
        (faults.body(b""), DecodeError, True),
        (faults.body(b"[]"), DecodeError, True),
        (faults.status(418), APIStatusError, False),
        (faults.status(404), NotFoundError, False),
    ],
)
async def test_each_failure_has_its_class(
    fake: FakeConvAI, fault: faults.Fault, error: type[ConvAIError], retryable: bool
) -> None:
    fake.faults.add(fault, times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=ONCE) as client:
        with pytest.raises(error) as caught:
            await client.conversations.get(next(iter(fake.conversations)))
    assert type(caught.value) is error
    assert caught.value.retryable is retryable
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


@pytest.mark.parametrize("fault", SOMETHING_ELSE.values(), ids=SOMETHING_ELSE)
async def test_reply_that_is_something_else_is_retried(
    client: ConvAIClient, fake: FakeConvAI, fault: faults.Fault
) -> None:
    conversation_id = next(iter(fake.conversations))
    fake.faults.add(fault, times=2)
    assert (await client.conversations.get(conversation_id)).conversation_id == conversation_id
    fake.faults.add(fault, times=2)
    assert len(await client.conversations.list(page_size=1)) == 1
    assert len(fake.requests) == 6


async def test_document_with_a_value_that_does_not_fit_is_not_retried(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.change(lambda document: document.update(transcript=[{"role": "user", "tool_calls": 7}])))
    with pytest.raises(DecodeError, match=r"GET /v1/convai/conversations/.*transcript") as caught:
        await client.conversations.get(next(iter(fake.conversations)))
    assert caught.value.attempts == 1
    assert len(fake.requests) == 1


async def test_reply_that_never_is_the_document_says_how_often_it_was_tried(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    fake.faults.add(faults.html(200), times=None)
    with pytest.raises(DecodeError, match=r"^GET /v1/convai/conversations: .* after 5 of 5 attempts") as caught:
        await client.conversations.list()
    assert caught.value.attempts == 5
    assert len(fake.requests) == 5


@pytest.mark.parametrize("retry_non_idempotent", [False, True])
async def test_post_is_not_repeated_because_its_reply_does_not_decode(
    fake: FakeConvAI, retry_non_idempotent: bool
) -> None:
    retry = RetryPolicy(wait_initial=0, retry_non_idempotent=retry_non_idempotent)
    fake.faults.add(faults.html(200), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=retry) as client:
        with pytest.raises(DecodeError, match=r"^POST ") as caught:
            await client.conversations.tags.create("urgent")
    assert caught.value.attempts == 1
    assert len(fake.requests) == 1


async def test_validate_is_part_of_an_attempt(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    seen: list[int] = []

    def validate(response: Response[Any]) -> None:
        seen.append(response.status)
        if len(seen) < 3:
            error = DecodeError("it is another conversation")
            error.retryable = True
            raise error

    response = await client._engine.send_raw(endpoints.get_conversation(conversation_id), validate=validate)
    assert response.body == fake.conversations.document(conversation_id)
    assert seen == [200, 200, 200]
    assert len(fake.requests) == 3


@pytest.mark.parametrize(("retryable", "idempotent", "sent"), [(False, True, 1), (True, False, 1), (True, True, 5)])
async def test_what_validate_raises_is_retried_where_that_helps_and_is_safe(
    client: ConvAIClient, fake: FakeConvAI, retryable: bool, idempotent: bool, sent: int
) -> None:
    def refuse(_response: object) -> None:
        error = PaginationError("the same page again")
        error.retryable = retryable
        raise error

    call = endpoints.request("GET", "/v1/convai/conversations", idempotent=idempotent)
    with pytest.raises(PaginationError) as caught:
        await client._engine.send_raw(call, validate=refuse)
    assert len(fake.requests) == caught.value.attempts == sent


async def test_requests_that_get_no_slot_fail_in_their_time(fake: FakeConvAI) -> None:
    fake.faults.add(faults.latency(600), times=None)
    loop = asyncio.get_running_loop()
    durations: list[float] = []

    async def ask() -> ConvAIError:
        asked = loop.time()
        with pytest.raises(RequestTimeoutError) as caught:
            await client.conversations.list()
        durations.append(loop.time() - asked)
        return caught.value

    async with ConvAIClient(fake.api_key, base_url=fake.url, timeout=0.5, retry=None) as client:
        errors = await asyncio.gather(*(ask() for _ in range(400)))
    assert min(durations) >= 0.49
    assert max(durations) < 3
    unsent = [error for error in errors if "was not sent" in str(error)]
    assert len(unsent) >= 300
    assert re.search(
        r"GET /v1/convai/conversations was not sent: it waited 0\.[5-9] s for one of 8 slots", str(unsent[-1])
    )
    assert not unsent[-1].ambiguous  # type: ignore[attr-defined]
    assert {error.attempts for error in unsent} == {0}
    assert len(fake.requests) <= len(errors) - len(unsent)


async def test_wait_for_a_slot_takes_from_the_time_of_an_attempt_without_retry(client: ConvAIClient) -> None:
    engine = client.with_options(retry=None, timeout=30)._engine
    timeouts: list[float | None] = []
    send = engine.session.send

    async def noted(call: Any, timeout: float | None, memory: Any) -> Any:
        timeouts.append(timeout)
        return await send(call, 30, memory)

    engine.session.send = noted  # type: ignore[method-assign, assignment]
    time = 0.0
    engine.clock = lambda: time
    for options in ({}, {"priority": "bulk"}, {"retry": RetryPolicy()}, {"timeout": None}):
        slots = [await engine.limiter.acquire() for _ in range(engine.limiter.limit)]
        task = asyncio.create_task(engine.with_options(**options).send(endpoints.list_conversations(page_size=1)))
        await asyncio.sleep(0)
        time += 12.0
        for slot in slots:
            engine.limiter.release(slot)
        await task
    assert timeouts == [18.0, 30.0, 30, None]


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({"timeout": 0.01, "retry": None}, True),
        ({"timeout": None, "retry": None}, False),
        ({"timeout": 60, "retry": RetryPolicy(timeout=0.01)}, True),
        ({"timeout": 0.01, "retry": RetryPolicy(timeout=60)}, False),
        ({"timeout": 0.01, "retry": RetryPolicy(timeout=None)}, False),
        ({"timeout": 0.01, "retry": None, "priority": "bulk"}, False),
        ({"timeout": 60, "retry": RetryPolicy(timeout=0.01), "priority": "bulk"}, False),
    ],
)
async def test_wait_for_a_slot_is_bounded_by_the_retry_timeout_or_the_timeout(
    client: ConvAIClient, options: dict[str, Any], ends: bool
) -> None:
    limiter = client._engine.limiter
    slots = [await limiter.acquire() for _ in range(limiter.limit)]
    task = asyncio.create_task(client.with_options(**options).conversations.audio.stream("conv_1").__aenter__())
    await asyncio.wait([task], timeout=5 if ends else 0.05)
    assert task.done() is ends
    task.cancel()
    with pytest.raises(RequestTimeoutError if ends else asyncio.CancelledError):
        await task
    for slot in slots:
        limiter.release(slot)
    assert limiter.in_flight == 0


async def test_time_in_which_a_bulk_request_waits_for_a_slot_is_not_taken_from_its_retries(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    engine = client._engine.with_options(priority="bulk", retry=RetryPolicy(timeout=10, wait_initial=0))
    time = 0.0
    engine.clock = lambda: time
    slots = [await engine.limiter.acquire() for _ in range(engine.limiter.limit)]
    fake.faults.add(faults.status(503))
    task = asyncio.create_task(engine.send(endpoints.list_conversations(page_size=1)))
    await asyncio.sleep(0)
    time += 1000.0
    for slot in slots:
        engine.limiter.release(slot)
    assert len(await task) == 1


async def test_interactive_requests_are_sent_before_those_of_get_many(fake: FakeConvAI) -> None:
    ids = list(fake.conversations)[:40]
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1) as client:
        slot = await client._engine.limiter.acquire()
        async with client.conversations.get_many(ids, max_concurrency=20) as results:
            await asyncio.sleep(0.01)
            interactive = asyncio.create_task(client.conversations.list(page_size=1).collect(max_items=1))
            await asyncio.sleep(0.01)
            client._engine.limiter.release(slot)
            await interactive
            assert fake.requests[0].operation == "list_conversations"
            assert [result.error async for result in results] == [None] * 40


async def test_delete_many_is_bulk_too(fake: FakeConvAI) -> None:
    ids = list(fake.conversations)[:5]
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1) as client:
        slot = await client._engine.limiter.acquire()
        async with client.conversations.delete_many(ids) as results:
            await asyncio.sleep(0.01)
            interactive = asyncio.create_task(client.conversations.list(page_size=1).collect(max_items=1))
            await asyncio.sleep(0.01)
            client._engine.limiter.release(slot)
            await interactive
            assert fake.requests[0].operation == "list_conversations"
            assert [result.error async for result in results] == [None] * 5


async def test_limit_grows_with_what_succeeds(fake: FakeConvAI) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        await asyncio.gather(*(client.conversations.list(page_size=1).collect() for _ in range(1)))
        async with client.conversations.get_many(fake.conversations, max_concurrency=100) as results:
            assert [result.error async for result in results] == [None] * 250
        assert client.concurrency == 64


async def test_limit_that_the_service_states_is_used(fake: FakeConvAI) -> None:
    refusal = faults.status(429, "concurrent_limit_exceeded", headers={"maximum-concurrent-requests": "5"})
    fake.faults.add(refusal)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=AT_ONCE) as client:
        await client.conversations.list(page_size=1)
        assert client.concurrency == 5


@pytest.mark.parametrize("text", ["", "0", "many", "-3", "1e3"])
def test_limit_that_makes_no_sense_is_not_read(text: str) -> None:
    assert parse_concurrency_limit({"maximum-concurrent-requests": text}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-reset": "1700000007", "x-ratelimit-remaining": "0"}, 7.0),
        ({"x-ratelimit-reset": "1600000000"}, 0.0),
        ({"x-ratelimit-reset": "1800000000"}, 24 * 60 * 60.0),
        ({"x-ratelimit-reset": "30", "x-ratelimit-remaining": "2"}, None),
        ({"x-ratelimit-reset": "soon"}, None),
        ({}, None),
    ],
)
def test_reset_of_a_rate_limit_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_rate_limit_reset(headers, now=1_700_000_000.0) == seconds


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "expected"),
    [
        (429, "rate_limit_exceeded", None, 30),
        (429, "rate_limit_exceeded", "7", 7),
        (429, "concurrent_limit_exceeded", None, None),
        (503, "internal_error", None, None),
    ],
)
def test_reset_of_a_rate_limit_counts_for_rate_limits_only(
    status: int, code: str, retry_after: str | None, expected: float | None
) -> None:
    headers = {"x-ratelimit-reset": "30"} | ({} if retry_after is None else {"retry-after": retry_after})
    body = json.dumps({"detail": {"code": code}}).encode()
    assert error_from_reply("GET /", status, headers, body, None).retry_after == expected


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_of_a_busy_service_holds_all_requests(
    client: ConvAIClient, fake: FakeConvAI, status: int
) -> None:
    fake.faults.add(faults.status(status, headers={"retry-after": "0.2"}))
    with pytest.raises(APIStatusError):
        await client.with_options(retry=None).conversations.list()
    assert 0 < client._engine.limiter.throttle_left <= 0.2
    loop = asyncio.get_running_loop()
    before = loop.time()
    await client.conversations.list(page_size=1)
    assert loop.time() - before >= 0.1


async def test_what_does_not_pass_says_how_often_it_was_tried(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(503), times=None)
    with pytest.raises(ServerError, match=r"5 attempts|after 5") as caught:
        await client.conversations.list()
    assert caught.value.attempts == 5
    assert len(fake.requests) == 5


async def test_what_cannot_pass_is_sent_once(client: ConvAIClient, fake: FakeConvAI) -> None:
    for status in (400, 403, 404, 422):
        fake.requests.clear()
        fake.faults.add(faults.status(status))
        with pytest.raises(APIStatusError) as caught:
            await client.conversations.list()
        assert caught.value.status == status
        assert len(fake.requests) == 1


async def test_a_reply_that_takes_too_long_is_a_timeout(fake: FakeConvAI) -> None:
    fake.faults.add(faults.latency(60), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=ONCE, timeout=0.05) as client:
        with pytest.raises(RequestTimeoutError, match="no whole reply within the timeout") as caught:
            await client.conversations.list()
    assert caught.value.ambiguous


async def test_a_body_that_trickles_is_a_timeout_too(fake: FakeConvAI) -> None:
    fake.faults.add(faults.slow_body(chunk=10, pause=0.02), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=ONCE, timeout=0.1) as client:
        with pytest.raises(RequestTimeoutError):
            await client.conversations.list()


async def test_cancelling_a_request_gives_its_place_back(fake: FakeConvAI) -> None:
    fake.faults.add(faults.latency(60))
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.conversations.list()
        assert len(await client.conversations.list(page_size=1)) == 1


async def test_the_service_s_wish_to_wait_holds_for_every_request(fake: FakeConvAI) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    fake.faults.add(faults.rate_limited(retry_after=7), times=1)
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        engine = client._engine
        engine.sleep = sleep
        paused: list[float] = []
        engine.limiter.throttle = paused.append  # type: ignore[method-assign, assignment]
        await client.conversations.list()
    assert paused == [7.0]
    assert len(waited) == 1
    assert 7 <= waited[0] <= 7.5


async def test_a_wait_that_is_too_long_is_not_begun(fake: FakeConvAI) -> None:
    fake.faults.add(faults.rate_limited(retry_after=3600), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        with pytest.raises(RateLimitError, match="3600") as caught:
            await client.conversations.list()
    assert caught.value.retry_after == 3600
    assert caught.value.attempts == 1


async def test_a_redirect_within_the_origin_is_followed(client: ConvAIClient, fake: FakeConvAI) -> None:
    wanted = next(iter(fake.conversations))
    fake.faults.add(faults.redirect(f"/v1/convai/conversations/{wanted}?format=json", code=307))
    assert (await client.conversations.get(wanted)).conversation_id == wanted
    assert len(fake.requests) == 2


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_is_not_followed(fake: FakeConvAI, code: int) -> None:
    async with FakeConvAI(conversations=1, api_key=fake.api_key) as stranger:
        fake.faults.add(faults.redirect(f"{stranger.url}/v1/convai/conversations", code=code), times=None)
        async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
            with pytest.raises(APIStatusError, match="a redirect that is not followed") as caught:
                await client.conversations.list()
        assert caught.value.status == code
        assert stranger.requests == []
    assert len(fake.requests) == 1


@pytest.mark.parametrize("location", ["", "//", "http://[", "ftp://127.0.0.1/"])
async def test_a_redirect_to_nowhere_is_an_error(client: ConvAIClient, fake: FakeConvAI, location: str) -> None:
    fake.faults.add(faults.redirect(location), times=None)
    with pytest.raises(APIStatusError, match="redirect"):
        await client.conversations.list()


async def test_a_circle_of_redirects_ends(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.redirect("/v1/convai/conversations"), times=None)
    with pytest.raises(APIStatusError, match="redirect"):
        await client.conversations.list()
    assert len(fake.requests) == 6


async def test_a_post_is_not_redirected(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.redirect("/v1/convai/conversations"), operation="create_feedback")
    with pytest.raises(APIStatusError, match="302"):
        await client.conversations.feedback.create(next(iter(fake.conversations)), feedback="like")
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda client, conversation_id: client.conversations.feedback.create(conversation_id, feedback="like"),
        lambda client, conversation_id: client.conversations.files.create(conversation_id, b"%PDF", filename="a.pdf"),
    ],
    ids=["feedback", "upload"],
)
@pytest.mark.parametrize("pooled", [True, False])
async def test_a_post_whose_reply_was_lost_is_not_sent_twice(
    client: ConvAIClient, fake: FakeConvAI, act: Callable[..., Any], pooled: bool
) -> None:
    if pooled:
        await client.conversations.list(page_size=1)
        fake.requests.clear()
    fake.faults.add(faults.drop(after_acting=True))
    with pytest.raises(ConnectionFailedError, match="the connection was lost") as caught:
        await act(client, next(iter(fake.conversations)))
    assert caught.value.ambiguous
    assert len(fake.requests) == 1


async def test_a_post_is_sent_twice_where_the_user_allows_it(fake: FakeConvAI) -> None:
    retry = RetryPolicy(wait_initial=0, retry_non_idempotent=True)
    fake.faults.add(faults.drop())
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=retry) as client:
        await client.conversations.feedback.create(next(iter(fake.conversations)), feedback="like")
    assert len(fake.requests) == 2


async def test_a_tenth_of_failures_does_not_reach_the_user(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add_random(0.1)
    patient = client.with_options(retry=RetryPolicy(attempts=8, wait_initial=0, wait_max=0))
    found = [summary.conversation_id async for summary in patient.conversations.list(page_size=5)]
    assert found == list(fake.conversations)


async def test_the_service_s_limit_on_concurrency_is_found_and_kept() -> None:
    async with FakeConvAI(conversations=300, concurrency_limit=4, latency=0.002) as fake:
        retry = RetryPolicy(attempts=10, wait_initial=0.01, wait_max=0.1)
        async with ConvAIClient(fake.api_key, base_url=fake.url, retry=retry) as client:
            async with client.conversations.get_many(list(fake.conversations), max_concurrency=50) as results:
                errors = [result.error async for result in results]
            assert errors == [None] * 300
            assert client._engine.limiter.limit <= 8
    assert fake.peak_in_flight <= 4


SECRET = "xi-very-secret-key"
"""The key that no text may hold."""


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(401),
        faults.status(500, message=f"your key {SECRET} is bad"),
        faults.body(b"\x00nonsense"),
        faults.drop(),
        faults.truncate(),
        faults.redirect("https://elsewhere.example/"),
        faults.html(403),
    ],
)
async def test_no_error_repr_or_log_line_holds_the_key(fault: faults.Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeConvAI(conversations=1, api_key=SECRET) as fake:
        fake.faults.add(fault, times=None)
        async with ConvAIClient(SECRET, base_url=fake.url, retry=RetryPolicy(attempts=2, wait_initial=0)) as client:
            with pytest.raises(ConvAIError) as caught:
                await client.conversations.list()
            told = [
                "".join(traceback.format_exception(caught.value)),
                repr(caught.value),
                repr(client),
                repr(client.conversations),
                caplog.text,
            ]
            chain: BaseException | None = caught.value
            while chain is not None:
                told.append(repr(chain.args))
                chain = chain.__cause__ or chain.__context__
    assert not any(SECRET in text for text in told)


async def test_a_client_waits_with_anyio_s_sleep_and_the_monotonic_clock() -> None:
    client = ConvAIClient("key")
    assert isinstance(client._engine, Engine)
    assert client._engine.sleep.__module__.startswith("anyio")


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(500, headers={"request-id": SECRET}),
        faults.body(b'{"detail": "\\u0078i-very-secret-key is bad"}', code=400),
        faults.status(400, SECRET),
        faults.body(SECRET.encode(), code=502),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"XI-API-KEY": "another"}])
async def test_a_key_that_the_service_quotes_is_taken_out(fault: faults.Fault, headers: dict[str, str]) -> None:
    async with FakeConvAI(conversations=1, api_key=SECRET) as fake:
        fake.faults.add(fault, times=None)
        async with ConvAIClient(SECRET, base_url=fake.url, retry=ONCE, headers=headers) as client:
            with pytest.raises(APIStatusError) as caught:
                await client.conversations.list()
    error = caught.value
    told = [str(error), repr(error), error.message, repr(error.code), repr(error.request_id), repr(error.headers)]
    assert not any(SECRET in text for text in told)
    assert SECRET.encode() not in error.body


async def test_closing_the_client_while_it_looks_up_an_address_is_said_as_such(fake: FakeConvAI) -> None:
    class NeverResolves(aiohttp.abc.AbstractResolver):
        looking = asyncio.Event()

        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
            self.looking.set()
            await asyncio.Event().wait()

        async def close(self) -> None:
            pass

    resolver = NeverResolves()
    connector = aiohttp.TCPConnector(resolver=resolver)
    client = ConvAIClient("key", base_url="http://nowhere.example", connector=connector, retry=None)
    task = asyncio.create_task(client.conversations.get("conv_1"))
    await resolver.looking.wait()
    await client.close()
    await connector.close()
    with pytest.raises(ClientClosedError):
        await task
    assert task.cancelling() == 0


async def test_a_pause_that_is_longer_than_a_request_may_take_fails_it_at_once(fake: FakeConvAI) -> None:
    fake.faults.add(faults.rate_limited(retry_after=3600))
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        with pytest.raises(RateLimitError):
            await client.conversations.list()
        with pytest.raises(RateLimitError, match=r"was not sent: .* lasts another (8[89]\d|900) s") as caught:
            await client.with_options(retry=None, timeout=1).conversations.list()
        assert caught.value.retry_after is not None
        with pytest.raises(RateLimitError):
            await client.conversations.audio.stream("conv_1").__aenter__()
    assert len(fake.requests) == 1


async def test_only_a_busy_service_makes_everybody_wait(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(404, headers={"retry-after": "3600"}))
    with pytest.raises(NotFoundError):
        await client.conversations.get("conv_1")
    assert len(await client.conversations.list(page_size=1)) == 1


async def test_a_reply_that_is_too_large_is_not_read_to_its_end(fake: FakeConvAI) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_response_bytes=1000, max_concurrency=1) as client:
        with pytest.raises(ResponseTooLargeError, match="larger than max_response_bytes, 1,000") as caught:
            await client.conversations.list()
        assert not caught.value.retryable
        assert len(fake.requests) == 1
        assert len(await client.conversations.list(page_size=1)) == 1


async def test_a_small_reply_that_unpacks_to_a_large_one_is_refused(fake: FakeConvAI) -> None:
    async def bomb(_request: Any, _proceed: Any) -> web.StreamResponse:
        packed = gzip.compress(b" " * 50_000_000)
        return web.Response(body=packed, headers={"content-encoding": "gzip", "content-type": "application/json"})

    fake.faults.add(bomb)
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_response_bytes=1_000_000) as client:
        with pytest.raises(ResponseTooLargeError):
            await client.conversations.list()


@pytest.mark.parametrize("status", [429, 409, 425])
async def test_a_deletion_that_was_turned_away_and_then_finds_nothing_is_a_404(
    client: ConvAIClient, fake: FakeConvAI, status: int
) -> None:
    fake.faults.add(faults.status(status), operation="delete_conversation")
    with pytest.raises(NotFoundError):
        await client.conversations.delete("conv_none")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", "/conv_1"), ("POST", "/conv_1/feedback")])
async def test_a_request_that_is_not_to_be_repeated_is_sent_once_on_a_dead_connection_too(
    client: ConvAIClient, fake: FakeConvAI, method: str, path: str
) -> None:
    await client.conversations.list(page_size=1)
    fake.requests.clear()
    fake.faults.add(faults.drop(), times=None)
    with pytest.raises(ConnectionFailedError):
        await client.request(method, f"/v1/convai/conversations{path}", idempotent=False)
    assert len(fake.requests) == 1


async def test_each_deletion_that_is_sent_is_one_attempt_on_a_dead_connection_too(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    await client.conversations.list(page_size=1)
    fake.requests.clear()
    fake.faults.add(faults.drop(), times=None)
    with pytest.raises(ConnectionFailedError) as caught:
        await client.conversations.delete("conv_1")
    assert caught.value.attempts == len(fake.requests) == 5
