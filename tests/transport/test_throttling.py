"""Retry-After and rate limits."""

from __future__ import annotations

import asyncio
import json
from email.utils import formatdate

import pytest

from convai_async import ConvAIClient
from convai_async._transport.status_errors import error_from_response, parse_rate_limit_reset
from convai_async.errors import (
    APIStatusError,
    NotFoundError,
    RateLimitError,
)
from convai_async.testing import FakeConvAI, faults


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
def test_reset_of_a_rate_limit_is_parsed(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_rate_limit_reset(headers, now=1_700_000_000.0) == seconds


def test_unix_seconds_of_a_reset_are_relative_to_the_clock_of_the_service() -> None:
    headers = {"date": formatdate(1_700_000_000, usegmt=True), "x-ratelimit-reset": "1700000007"}
    assert parse_rate_limit_reset(headers) == 7


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "expected"),
    [
        (429, "rate_limit_exceeded", None, 30),
        (429, "rate_limit_exceeded", "7", 7),
        (429, "concurrent_limit_exceeded", None, None),
        (503, "internal_error", None, None),
    ],
)
def test_reset_of_a_rate_limit_is_used_for_rate_limits_only(
    status: int, code: str, retry_after: str | None, expected: float | None
) -> None:
    headers = {"x-ratelimit-reset": "30"} | ({} if retry_after is None else {"retry-after": retry_after})
    body = json.dumps({"detail": {"code": code}}).encode()
    assert error_from_response("GET /", status, headers, body, None).retry_after == expected


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_of_a_busy_service_delays_all_requests(
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


async def test_retry_waits_for_retry_after_and_throttles_the_client(fake: FakeConvAI) -> None:
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


async def test_retry_after_beyond_the_retry_timeout_fails_at_once(fake: FakeConvAI) -> None:
    fake.faults.add(faults.rate_limited(retry_after=3600), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        with pytest.raises(RateLimitError, match="3600") as caught:
            await client.conversations.list()
    assert caught.value.retry_after == 3600
    assert caught.value.attempts == 1


async def test_request_fails_at_once_when_the_throttle_exceeds_its_timeout(fake: FakeConvAI) -> None:
    fake.faults.add(faults.rate_limited(retry_after=3600))
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        with pytest.raises(RateLimitError):
            await client.conversations.list()
        with pytest.raises(RateLimitError, match=r"was not sent: .* lasts for another (8[89]\d|900) s") as caught:
            await client.with_options(retry=None, timeout=1).conversations.list()
        assert caught.value.status == 429
        assert caught.value.retry_after is not None
        with pytest.raises(RateLimitError):
            await client.conversations.audio.stream("conv_1").__aenter__()
    assert len(fake.requests) == 1


async def test_retry_after_of_a_404_does_not_throttle_the_client(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(404, headers={"retry-after": "3600"}))
    with pytest.raises(NotFoundError):
        await client.conversations.get("conv_1")
    assert len(await client.conversations.list(page_size=1)) == 1
