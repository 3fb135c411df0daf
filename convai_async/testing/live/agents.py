"""The settings of agents of a fake service."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from convai_async.testing.live.audio import FORMATS

CLIENT_EVENTS = (
    "audio",
    "interruption",
    "user_transcript",
    "agent_response",
    "agent_response_correction",
    "agent_chat_response_part",
    "agent_response_complete",
    "agent_tool_response",
)
"""The events that an agent sends by default, besides those that it always sends, such as the metadata and pings."""


class Agent(msgspec.Struct, kw_only=True, frozen=True, eq=False):
    """The settings of an agent: see `LiveService.add_agent`."""

    agent_id: str
    first_message: str
    transcribe: Callable[[bytes], str]
    private: bool
    text_only: bool
    input_format: str
    output_format: str
    client_events: frozenset[str]
    allowed_overrides: frozenset[str] | None
    queue_timeout: float
    ping_interval: float
    idle_timeout: float
    monitoring_enabled: bool
    keep_audio: bool

    def __post_init__(self) -> None:
        for name in (self.input_format, self.output_format):
            if name not in FORMATS:
                raise ValueError(f"the format must be one of {', '.join(FORMATS)}, got {name!r}")
