"""Faults of live conversations: lost connections, silence, close codes, and events that cannot be read.

A fault is a function that does something else than to send an event. Add it to ``fake.live.faults``, which decides
which events it hits, by default the next one::

    fake.live.faults.add(faults.drop(end="reset"), event="agent_response")
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.connections import ConnectionEnd, cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.testing.live.conversation import FakeConversation
    from convai_async.testing.live.fault_rules import FrameFault

JSON = dict[str, Any]

_TEXT_FRAME = 0x81
_RESERVED_BITS = 0x70


def drop(*, end: ConnectionEnd = "close") -> FrameFault:
    """End the connection without a close frame, before the event.

    Args:
        end: How the connection ends.
    """

    async def act(conversation: FakeConversation, _event: JSON) -> None:
        cut(conversation.transport, end)

    return act


def cut_frame(*, share: float = 0.5, end: ConnectionEnd = "close") -> FrameFault:
    """End the connection in the middle of the frame of the event.

    Args:
        share: The fraction of the frame to send, 0 to 1.
        end: How the connection ends.
    """

    async def act(conversation: FakeConversation, event: JSON) -> None:
        payload = msgspec.json.encode(event)
        frame = bytes((_TEXT_FRAME, 127)) + len(payload).to_bytes(8, "big") + payload
        conversation.write_raw(frame[: int(len(frame) * share)])
        cut(conversation.transport, end)

    return act


def silence() -> FrameFault:
    """Send nothing from here on, not even pongs, and leave the connection open."""

    async def act(conversation: FakeConversation, _event: JSON) -> None:
        conversation.mute()

    return act


def close(code: int, reason: str = "") -> FrameFault:
    """Close the conversation with this code and reason.

    Args:
        code: The close code, such as 1000, 1002, 1008 or 1011.
        reason: The reason.
    """

    async def act(conversation: FakeConversation, _event: JSON) -> None:
        await conversation.close(code, reason)

    return act


def fail(code: int, error_type: str, message: str) -> FrameFault:
    """Send an error event, and close the conversation.

    Args:
        code: The close code.
        error_type: The type of the error, such as ``"llm_timeout"``.
        message: The message of the error, which is also the reason in the close frame.
    """

    async def act(conversation: FakeConversation, _event: JSON) -> None:
        await conversation.fail(code, error_type, message)

    return act


def text(content: str) -> FrameFault:
    """Send this text, such as ``"{"``, instead of the event."""

    async def act(conversation: FakeConversation, _event: JSON) -> None:
        await conversation.write_text(content)

    return act


def binary() -> FrameFault:
    """Send the event as a binary frame."""

    async def act(conversation: FakeConversation, event: JSON) -> None:
        await conversation.write_bytes(msgspec.json.encode(event))

    return act


def protocol_error() -> FrameFault:
    """Send a frame that is not valid in the WebSocket protocol."""

    async def act(conversation: FakeConversation, _event: JSON) -> None:
        conversation.write_raw(bytes((_TEXT_FRAME | _RESERVED_BITS, 0)))

    return act


def change(edit: Callable[[JSON], JSON | None]) -> FrameFault:
    """Send a changed event, or none.

    ::

        fake.live.faults.add(faults.change(lambda event: event | {"type": "later"}), event="agent_response")

    Args:
        edit: Returns the event to send, or None to send nothing.
    """

    async def act(conversation: FakeConversation, event: JSON) -> None:
        changed = edit(msgspec.json.decode(msgspec.json.encode(event)))
        if changed is not None:
            await conversation.write(changed)

    return act


def insert(*events: JSON) -> FrameFault:
    """Send other events before the event.

    ::

        fake.live.faults.add(faults.insert({"type": "unknown_event", "unknown_event": {}}), event="agent_response")
    """

    async def act(conversation: FakeConversation, event: JSON) -> None:
        for each in (*events, event):
            await conversation.write(each)

    return act


def pad(size: int = 5 * 1024 * 1024) -> FrameFault:
    """Send the event with an unknown field that makes it this large.

    Args:
        size: The bytes of the field.
    """
    return change(lambda event: event | {"padding": " " * size})


def delay(seconds: float) -> FrameFault:
    """Send the event later, and all that follow it.

    Args:
        seconds: The delay.
    """

    async def act(conversation: FakeConversation, event: JSON) -> None:
        await asyncio.sleep(seconds)
        await conversation.write(event)

    return act
