"""The API key in errors, reprs and logs."""

from __future__ import annotations

import logging
import traceback

import pytest

from convai_async import ConvAIClient, RetryPolicy
from convai_async.errors import (
    APIStatusError,
    ConvAIError,
)
from convai_async.testing import FakeConvAI, faults

ONCE = RetryPolicy(attempts=1)
SECRET = "xi-very-secret-key"
"""The key that must not be in any text."""


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
async def test_no_error_repr_or_log_line_contains_the_key(
    fault: faults.Fault, caplog: pytest.LogCaptureFixture
) -> None:
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
async def test_key_in_a_response_is_redacted(fault: faults.Fault, headers: dict[str, str]) -> None:
    async with FakeConvAI(conversations=1, api_key=SECRET) as fake:
        fake.faults.add(fault, times=None)
        async with ConvAIClient(SECRET, base_url=fake.url, retry=ONCE, headers=headers) as client:
            with pytest.raises(APIStatusError) as caught:
                await client.conversations.list()
    error = caught.value
    told = [str(error), repr(error), error.message, repr(error.code), repr(error.request_id), repr(error.headers)]
    assert not any(SECRET in text for text in told)
    assert SECRET.encode() not in error.body
