"""A monitor watches a conversation of others, and acts in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from convai_async import ConversationClosedError, InvalidArgumentError, NotFoundError, PermissionDeniedError
from convai_async.live import AgentResponse, UserTranscript

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI


async def test_monitor_sees_past_and_new_events(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.connect("agent_1") as live:
        await live.ask("First")
        async with client.conversations.monitor(live.conversation_id) as watching:
            assert repr(watching) == f"<Monitor {live.conversation_id} open>"
            await live.ask("Second")
            said = []
            async for event in watching:
                match event:
                    case AgentResponse(text=text) | UserTranscript(text=text):
                        said.append(text)
                if "You said: Second" in said:
                    break
            assert watching.closed is None
        assert said == [
            "Hello! How can I help you?",
            "You said: First",
            "Second",
            "You said: Second",
        ]
        assert watching.closed is not None
        assert live.closed is None, "the conversation goes on"
        assert watching.dropped_events == 0


async def test_commands_reach_the_service(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.connect("agent_1") as live:
        async with client.conversations.monitor(live.conversation_id) as watching:
            await watching.send_context("It rains.")
            await watching.start_takeover()
            await watching.send_message("I am Ann.")
            await watching.stop_takeover()
            with pytest.raises(InvalidArgumentError, match="phone_number"):
                await watching.transfer_to_number("")
        async with client.conversations.monitor(live.conversation_id) as watching:
            await watching.end_call()
            async for _ in watching:
                pass
            with pytest.raises(ConversationClosedError):
                await watching.end_call()
        async for _ in live:
            pass
        assert live.closed is not None
        assert live.closed.ended_by == "agent"
    async with (
        client.conversations.connect("agent_1") as other,
        client.conversations.monitor(other.conversation_id) as watching,
    ):
        await watching.transfer_to_number("+14155550100")
        async for _ in watching:
            pass
    assert fake.live[other.conversation_id].commands == [
        {"command_type": "transfer_to_number", "parameters": {"phone_number": "+14155550100"}}
    ]
    assert fake.live[live.conversation_id].commands == [
        {"command_type": "contextual_update", "parameters": {"contextual_update": "It rains."}},
        {"command_type": "enable_human_takeover"},
        {"command_type": "send_human_message", "parameters": {"text": "I am Ann."}},
        {"command_type": "disable_human_takeover"},
        {"command_type": "end_call"},
    ]


async def test_conversation_that_cannot_be_watched_is_refused(client: ConvAIClient, fake: FakeConvAI) -> None:
    with pytest.raises(NotFoundError, match="WebSocket /v1/convai/conversations/conv_none/monitor returned 404"):
        async with client.conversations.monitor("conv_none"):
            pass
    fake.live.add_agent("agent_1", monitoring_enabled=False)
    async with client.conversations.connect("agent_1") as live:
        with pytest.raises(PermissionDeniedError):
            async with client.conversations.monitor(live.conversation_id):
                pass
    for options in ({"conversation_id": ""}, {"conversation_id": "conv_1", "max_buffered_bytes": 0}):
        with pytest.raises(InvalidArgumentError):
            async with client.conversations.monitor(**options):
                pass
