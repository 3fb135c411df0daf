"""`client.request` and `client.send_raw`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from convai_async import endpoints
from convai_async.errors import ValidationError

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI


async def test_request_sends_a_query_and_returns_json(client: ConvAIClient, fake: FakeConvAI) -> None:
    page = await client.request("GET", "/v1/convai/conversations", query={"page_size": 2, "agent_id": None})
    assert [item["conversation_id"] for item in page["conversations"]] == list(fake.conversations)[:2]
    assert fake.requests[-1].query == (("page_size", "2"),)


async def test_request_sends_a_json_body(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    path = f"/v1/convai/conversations/{conversation_id}/feedback"
    assert await client.request("POST", path, json={"feedback": "like"}) == {}
    assert fake.conversations[conversation_id].feedback == "like"


async def test_validation_error_names_the_parameter(client: ConvAIClient) -> None:
    with pytest.raises(ValidationError, match="page_size") as caught:
        await client.request("GET", "/v1/convai/conversations", query={"page_size": 101})
    assert caught.value.errors[0].location == ("query", "page_size")


async def test_send_raw_returns_the_exact_bytes(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    response = await client.send_raw(endpoints.get_conversation(conversation_id))
    assert response.status == 200
    assert response.body == fake.conversations.document(conversation_id)
    assert response.request_id is not None
    assert response.request_id == response.headers["Request-ID"]
    assert response.decode().conversation_id == conversation_id
    assert "transcript" not in repr(response)


async def test_send_raw_returns_the_response_of_a_post(client: ConvAIClient, fake: FakeConvAI) -> None:
    request = endpoints.create_feedback(next(iter(fake.conversations)), feedback="like")
    assert (await client.send_raw(request)).status == 200
