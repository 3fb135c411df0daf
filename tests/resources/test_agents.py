"""`client.agents`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from convai_async.models import AgentLink, AgentTopic
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

AGENT = AGENTS[0][0]


async def test_agent_link_hides_its_token_in_its_repr(client: ConvAIClient) -> None:
    link = await client.agents.link.get(AGENT)
    assert isinstance(link, AgentLink)
    assert link.token is not None
    secret = link.token.conversation_token
    assert secret is not None
    assert secret.startswith("cvtkn_")
    assert secret not in repr(link)


async def test_topics_are_the_same_under_agents_and_conversations(client: ConvAIClient, fake: FakeConvAI) -> None:
    for topics in (client.agents.topics, client.conversations.topics):
        found = await topics.get(
            AGENT,
            page_size=4,
            sort_by="conversations",
            sort_direction="desc",
            from_unix_secs=datetime(2026, 1, 1, tzinfo=UTC),
            to_unix_secs=1_780_000_000,
            include_evaluation_criteria=True,
        ).collect()
        assert all(isinstance(topic, AgentTopic) for topic in found)
        assert len(found) == 6
        first = next(topic for topic in found if topic.topic_id == "topic_1")
        assert first.x_2d == 0.1
        assert first.metrics is not None
        assert first.metrics.evaluation_criteria[0].success_count == 6
    assert ("from_unix_secs", "1767225600") in fake.requests[0].query
