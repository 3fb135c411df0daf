"""`client.conversations.feedback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from convai_async.errors import ServerError
from convai_async.testing import faults

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI


@pytest.mark.parametrize("feedback", ["like", "dislike", None])
async def test_feedback_is_stored(client: ConvAIClient, fake: FakeConvAI, feedback: Any) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.feedback.create(conversation_id, feedback=feedback)
    assert fake.conversations[conversation_id].feedback == feedback
    assert fake.requests[-1].headers["content-type"] == "application/json"


async def test_feedback_is_not_retried_after_an_ambiguous_failure(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    fake.faults.add(faults.status(500), operation="create_feedback")
    with pytest.raises(ServerError) as caught:
        await client.conversations.feedback.create(conversation_id, feedback="like")
    assert caught.value.attempts == 1
    assert len(fake.requests("create_feedback")) == 1


async def test_feedback_is_retried_after_429(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.rate_limited(), operation="create_feedback")
    await client.conversations.feedback.create(next(iter(fake.conversations)), feedback="like")
    assert len(fake.requests("create_feedback")) == 2
