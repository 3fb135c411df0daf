"""`client.conversations.analysis`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from convai_async.errors import ServerError
from convai_async.testing import faults
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

AGENT = AGENTS[0][0]


async def test_analysis_is_run_again_and_not_retried(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(each for each in fake.conversations if fake.conversations[each].status == "done")
    before = await client.conversations.get(conversation_id)
    after = await client.conversations.analysis.run(conversation_id)
    assert after.analysis != before.analysis
    again = await client.conversations.analysis.run_evaluation(
        conversation_id, evaluation_id="solved", scope="agent", evaluated_agent_id=AGENT
    )
    assert again.analysis != after.analysis
    assert fake.requests[-1].body == b'{"evaluation_id":"solved","scope":"agent","evaluated_agent_id":"%s"}' % (
        AGENT.encode()
    )
    for run in (
        client.conversations.analysis.run(conversation_id),
        client.conversations.analysis.run_evaluation(conversation_id, evaluation_id="solved"),
    ):
        fake.requests.clear()
        fake.faults.add(faults.status(500))
        with pytest.raises(ServerError):
            await run
        assert len(fake.requests) == 1
