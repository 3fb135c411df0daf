"""Redirects, which must not send the key to another origin."""

from __future__ import annotations

import pytest

from convai_async import ConvAIClient
from convai_async.errors import (
    APIStatusError,
)
from convai_async.testing import FakeConvAI, faults


async def test_redirect_within_the_origin_is_followed(client: ConvAIClient, fake: FakeConvAI) -> None:
    wanted = next(iter(fake.conversations))
    fake.faults.add(faults.redirect(f"/v1/convai/conversations/{wanted}?format=json", code=307))
    assert (await client.conversations.get(wanted)).conversation_id == wanted
    assert len(fake.requests) == 2


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirect_to_another_origin_is_not_followed(fake: FakeConvAI, code: int) -> None:
    async with FakeConvAI(conversations=1, api_key=fake.api_key) as stranger:
        fake.faults.add(faults.redirect(f"{stranger.url}/v1/convai/conversations", code=code), times=None)
        async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
            with pytest.raises(APIStatusError, match="a redirect that is not followed") as caught:
                await client.conversations.list()
        assert caught.value.status == code
        assert stranger.requests == []
    assert len(fake.requests) == 1


async def test_redirect_of_a_head_request_is_followed(client: ConvAIClient, fake: FakeConvAI) -> None:
    path = f"/v1/convai/conversations/{next(iter(fake.conversations))}/audio"
    fake.faults.add(faults.redirect(path))
    await client.request("HEAD", path)
    assert len(fake.requests) == 2


async def test_redirect_to_an_address_with_a_password_is_not_followed(client: ConvAIClient, fake: FakeConvAI) -> None:
    address = fake.url.replace("://", "://user:password@")
    fake.faults.add(faults.redirect(f"{address}/v1/convai/conversations"))
    with pytest.raises(APIStatusError, match="redirect"):
        await client.conversations.list()
    assert len(fake.requests) == 1


@pytest.mark.parametrize("location", ["", "//", "http://[", "ftp://127.0.0.1/"])
async def test_redirect_to_an_invalid_address_raises(client: ConvAIClient, fake: FakeConvAI, location: str) -> None:
    fake.faults.add(faults.redirect(location), times=None)
    with pytest.raises(APIStatusError, match="redirect"):
        await client.conversations.list()


async def test_redirect_without_an_address_raises_at_once(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(302), times=None)
    with pytest.raises(APIStatusError, match="302"):
        await client.conversations.list()
    assert len(fake.requests) == 1


async def test_circular_redirect_raises_after_five(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.redirect("/v1/convai/conversations"), times=None)
    with pytest.raises(APIStatusError, match="redirect"):
        await client.conversations.list()
    assert len(fake.requests) == 6


async def test_redirect_of_a_post_is_not_followed(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.redirect("/v1/convai/conversations"), operation="create_feedback")
    with pytest.raises(APIStatusError, match="302"):
        await client.conversations.feedback.create(next(iter(fake.conversations)), feedback="like")
    assert len(fake.requests) == 1
