"""Faults of the fake service as a client sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from convai_async import ConvAIClient, RetryPolicy
from convai_async.errors import NotFoundError, ValidationError
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from convai_async.testing.faults import Fault


async def test_cursors_expire_after_requests_or_seconds(client: ConvAIClient, fake: FakeConvAI) -> None:
    now = 0.0
    fault = faults.expiring_cursors(after=2, seconds=10, clock=lambda: now)
    rule = fake.faults.add(fault, operation="list_conversations", times=None)
    assert len(await client.conversations.list(page_size=50).collect()) == 250, (
        "reading page by page does not use expired cursors"
    )
    first = await client.conversations.list(page_size=50)
    await client.conversations.list(page_size=50, cursor=first.next_cursor)
    await client.conversations.list(page_size=50, cursor=first.next_cursor)
    with pytest.raises(ValidationError, match="expired"):
        await client.conversations.list(page_size=50, cursor=first.next_cursor)
    second = await client.conversations.list(page_size=50)
    now = 10.5
    with pytest.raises(ValidationError, match="expired"):
        await client.conversations.list(page_size=50, cursor=second.next_cursor)
    assert rule.hits == len(fake.requests)


@pytest.mark.parametrize(("share", "received"), [(1.0, 1.0), (0.5, 0.5)])
async def test_close_delimited_body_ends_with_the_connection(fake: FakeConvAI, share: float, received: float) -> None:
    conversation_id = next(iter(fake.conversations))
    fake.faults.add(faults.close_delimited(share=share))
    headers = {"xi-api-key": fake.api_key}
    url = f"{fake.url}/v1/convai/conversations/{conversation_id}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as response:
        assert response.status == 200
        assert not {"content-length", "transfer-encoding"} & {name.lower() for name in response.headers}
        whole = fake.conversations.document(conversation_id)
        assert await response.read() == whole[: int(len(whole) * received)]


@pytest.mark.parametrize("fault", [faults.endless(chunk=100, pause=0.001), faults.slow_body(chunk=100, pause=0.001)])
async def test_slow_body_sends_a_recording_in_small_chunks(fault: Fault) -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=1_000_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(attempts=1)) as client,
    ):
        fake.faults.add(fault, operation="get_audio")
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        received = 0
        async with client.conversations.audio.stream(recorded) as audio:
            async for chunk in audio:
                received += len(chunk)
                if received > 2_000:
                    break
        assert 2_000 < received < 100_000


async def test_fault_is_the_response_for_an_endpoint_that_the_fake_service_does_not_have() -> None:
    async with FakeConvAI(conversations=1) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        rule = fake.faults.add(faults.body(b'{"agents": []}'), path="/v1/convai/agents")
        assert await client.request("GET", "/v1/convai/agents") == {"agents": []}
        assert rule.hits == 1
        with pytest.raises(NotFoundError):
            await client.request("GET", "/v1/convai/agents")
