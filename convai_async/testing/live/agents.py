"""Agents of a fake service, and how they behave in conversations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from convai_async.testing.live.audio import FORMATS

if TYPE_CHECKING:
    from convai_async.testing.live.conversation import LiveConversation
    from convai_async.testing.live.turns import Turn

Reply = Callable[["Turn"], Awaitable[str | None]]
"""Answers a turn of the user with a text; None if it has said all it wants with `Turn.say`."""

Hook = Callable[["LiveConversation"], Awaitable[None]]
"""Acts at a moment of a conversation."""

CLIENT_EVENTS = frozenset(
    {
        "audio",
        "interruption",
        "user_transcript",
        "tentative_user_transcript",
        "agent_response",
        "agent_response_correction",
        "agent_chat_response_part",
        "agent_response_complete",
        "agent_tool_request",
        "agent_tool_response",
    }
)
"""The events that agents send by default, besides the metadata, pings and tool calls, which they always send."""


async def echo(turn: Turn) -> str:
    """Repeat what the user said."""
    return f"You said: {turn.text}" if turn.text else "I did not hear anything."


class Agent(msgspec.Struct, kw_only=True, eq=False):
    """An agent: see `LiveService.add_agent` for the fields."""

    agent_id: str
    first_message: str = "Hello! How can I help you?"
    reply: Reply = echo
    before_metadata: Hook | None = None
    after_metadata: Hook | None = None
    private: bool = False
    text_only: bool = False
    input_format: str = "pcm_16000"
    output_format: str = "pcm_16000"
    client_events: frozenset[str] = CLIENT_EVENTS
    overrides: frozenset[str] | None = None
    concurrency_limit: int | None = None
    queue_timeout: float = 60.0
    ping_interval: float = 2.0
    idle_timeout: float = 60.0
    monitoring: bool = True
    quirks: bool = False
    keep_audio: bool = True

    def __post_init__(self) -> None:
        for audio_format in (self.input_format, self.output_format):
            if audio_format not in FORMATS:
                raise ValueError(f"the audio format must be one of {', '.join(FORMATS)}, got {audio_format!r}")
