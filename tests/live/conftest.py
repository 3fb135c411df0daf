from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from convai_async import ConvAIClient, RetryPolicy
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=2, quirks=False) as service:
        service.live.add_agent("agent_1", text_only=True)
        yield service


@pytest.fixture
async def client(fake: FakeConvAI) -> AsyncIterator[ConvAIClient]:
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(wait_initial=0, wait_max=0)) as opened:
        yield opened
