"""Which failures are retried, and how often, against a real server."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ConvAIClient, RetryPolicy, endpoints
from convai_async._transport.engine import Engine
from convai_async.errors import (
    APIStatusError,
    ConcurrencyLimitError,
    ConnectionFailedError,
    ConvAIError,
    DecodeError,
    IncompleteBodyError,
    NotFoundError,
    PaginationError,
    RateLimitError,
    ServerError,
)
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.endpoints import Response


ONCE = RetryPolicy(attempts=1)
TEMPORARY_FAILURES = {
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
UNEXPECTED_RESPONSES = {
    "half of the JSON": faults.body(b'{"conversations": [{"conversation_id": "conv_1", "agent'),
    "login page": faults.html(200),
    "empty": faults.body(b""),
    "empty object": faults.body(b"{}"),
    "null": faults.body(b"null"),
    "list": faults.body(b"[]"),
    "error with status 200": faults.status(200, shape=1),
}
"""Responses with status 200 that are not the requested document."""


@pytest.mark.parametrize("fault", TEMPORARY_FAILURES.values(), ids=TEMPORARY_FAILURES)
async def test_temporary_failure_is_retried_until_it_succeeds(
    client: ConvAIClient, fake: FakeConvAI, fault: faults.Fault
) -> None:
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
async def test_each_failure_raises_its_own_class(
    fake: FakeConvAI, fault: faults.Fault, error: type[ConvAIError], retryable: bool
) -> None:
    fake.faults.add(fault, times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=ONCE) as client:
        with pytest.raises(error) as caught:
            await client.conversations.get(next(iter(fake.conversations)))
    assert type(caught.value) is error
    assert caught.value.retryable is retryable
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


@pytest.mark.parametrize("fault", UNEXPECTED_RESPONSES.values(), ids=UNEXPECTED_RESPONSES)
async def test_response_that_is_not_the_document_is_retried(
    client: ConvAIClient, fake: FakeConvAI, fault: faults.Fault
) -> None:
    conversation_id = next(iter(fake.conversations))
    fake.faults.add(fault, times=2)
    assert (await client.conversations.get(conversation_id)).conversation_id == conversation_id
    fake.faults.add(fault, times=2)
    assert len(await client.conversations.list(page_size=1)) == 1
    assert len(fake.requests) == 6


async def test_document_with_an_invalid_value_is_not_retried(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.change(lambda document: document.update(transcript=[{"role": "user", "tool_calls": 7}])))
    with pytest.raises(DecodeError, match=r"GET /v1/convai/conversations/.*transcript") as caught:
        await client.conversations.get(next(iter(fake.conversations)))
    assert caught.value.attempts == 1
    assert len(fake.requests) == 1


async def test_decode_error_reports_the_number_of_attempts(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.html(200), times=None)
    with pytest.raises(DecodeError, match=r"^GET /v1/convai/conversations: .* after 5 of 5 attempts") as caught:
        await client.conversations.list()
    assert caught.value.attempts == 5
    assert len(fake.requests) == 5


@pytest.mark.parametrize("retry_non_idempotent", [False, True])
async def test_post_is_not_retried_when_its_response_does_not_decode(
    fake: FakeConvAI, retry_non_idempotent: bool
) -> None:
    retry = RetryPolicy(wait_initial=0, retry_non_idempotent=retry_non_idempotent)
    fake.faults.add(faults.html(200), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=retry) as client:
        with pytest.raises(DecodeError, match=r"^POST ") as caught:
            await client.conversations.tags.create("urgent")
    assert caught.value.attempts == 1
    assert len(fake.requests) == 1


async def test_exception_of_validate_is_a_failed_attempt(client: ConvAIClient, fake: FakeConvAI) -> None:
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
async def test_exception_of_validate_is_retried_if_retryable_and_idempotent(
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


async def test_permanent_failure_reports_the_number_of_attempts(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(503), times=None)
    with pytest.raises(ServerError, match=r"5 attempts|after 5") as caught:
        await client.conversations.list()
    assert caught.value.attempts == 5
    assert len(fake.requests) == 5


async def test_client_error_is_not_retried(client: ConvAIClient, fake: FakeConvAI) -> None:
    for status in (400, 403, 404, 422):
        fake.requests.clear()
        fake.faults.add(faults.status(status))
        with pytest.raises(APIStatusError) as caught:
            await client.conversations.list()
        assert caught.value.status == status
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
async def test_post_whose_response_was_lost_is_not_retried(
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


async def test_post_is_retried_with_retry_non_idempotent(fake: FakeConvAI) -> None:
    retry = RetryPolicy(wait_initial=0, retry_non_idempotent=True)
    fake.faults.add(faults.drop())
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=retry) as client:
        await client.conversations.feedback.create(next(iter(fake.conversations)), feedback="like")
    assert len(fake.requests) == 2


async def test_list_is_complete_when_a_tenth_of_requests_fail(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add_random(0.1)
    patient = client.with_options(retry=RetryPolicy(attempts=8, wait_initial=0, wait_max=0))
    found = [summary.conversation_id async for summary in patient.conversations.list(page_size=5)]
    assert found == list(fake.conversations)


async def test_client_waits_with_the_sleep_of_anyio() -> None:
    client = ConvAIClient("key")
    assert isinstance(client._engine, Engine)
    assert client._engine.sleep.__module__.startswith("anyio")


@pytest.mark.parametrize("status", [429, 409, 425])
async def test_delete_that_was_rejected_and_then_finds_nothing_raises_not_found(
    client: ConvAIClient, fake: FakeConvAI, status: int
) -> None:
    fake.faults.add(faults.status(status), operation="delete_conversation")
    with pytest.raises(NotFoundError):
        await client.conversations.delete("conv_none")


async def test_delete_whose_response_was_lost_succeeds_when_a_later_attempt_finds_nothing(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    fake.faults.add(faults.drop())
    fake.faults.add(faults.rate_limited())
    await client.conversations.delete("conv_none")
    assert len(fake.requests) == 3


async def test_get_whose_response_was_lost_and_then_finds_nothing_raises_not_found(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    fake.faults.add(faults.truncate())
    with pytest.raises(NotFoundError):
        await client.conversations.get("conv_none")


async def test_delete_whose_reply_was_lost_and_then_meets_a_proxy_without_the_path_raises_not_found(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    conversation_id = next(iter(fake.conversations))
    fake.faults.add(faults.drop(), operation="delete_conversation")
    fake.faults.add(faults.html(404), operation="delete_conversation")
    with pytest.raises(NotFoundError):
        await client.conversations.delete(conversation_id)
    assert conversation_id in fake.conversations


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", "/conv_1"), ("POST", "/conv_1/feedback")])
async def test_non_idempotent_request_is_sent_once_on_a_dead_connection(
    client: ConvAIClient, fake: FakeConvAI, method: str, path: str
) -> None:
    await client.conversations.list(page_size=1)
    fake.requests.clear()
    fake.faults.add(faults.drop(), times=None)
    with pytest.raises(ConnectionFailedError):
        await client.request(method, f"/v1/convai/conversations{path}", idempotent=False)
    assert len(fake.requests) == 1


async def test_each_delete_on_a_dead_connection_counts_as_an_attempt(client: ConvAIClient, fake: FakeConvAI) -> None:
    await client.conversations.list(page_size=1)
    fake.requests.clear()
    fake.faults.add(faults.drop(), times=None)
    with pytest.raises(ConnectionFailedError) as caught:
        await client.conversations.delete("conv_1")
    assert caught.value.attempts == len(fake.requests) == 5
