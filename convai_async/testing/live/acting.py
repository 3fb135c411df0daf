"""The course of a conversation on the side of the agent."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.live import events
from convai_async.testing.live.conversation import FakeConversation, SentPing
from convai_async.testing.live.turns import ReplyFunction, Turn

if TYPE_CHECKING:
    from convai_async.testing.live.user_turn import UserTurn

JSON = dict[str, Any]

Hook = Callable[[FakeConversation], Awaitable[None]]
"""Acts at a moment of a conversation."""

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_QUEUE_TIMED_OUT = 4300


class Script(msgspec.Struct, kw_only=True, frozen=True, eq=False):
    """The behaviour of an agent.

    Attributes:
        reply: Replies to each turn of the user.
        before_metadata: Acts before the metadata is sent, or None.
        after_metadata: Acts after the metadata was sent and before the first message, or None.
        slots: As many as conversations can be held at the same time.
    """

    reply: ReplyFunction
    before_metadata: Hook | None
    after_metadata: Hook | None
    slots: asyncio.Semaphore


async def act(conversation: FakeConversation, script: Script) -> None:
    """Act as the agent until the conversation ends."""
    await conversation.wait_until(lambda each: each.initiation)
    is_queued = script.slots.locked()
    if is_queued:
        await conversation.send(events.build_queue_status("waiting"))
    try:
        async with asyncio.timeout(conversation.agent.queue_timeout):
            await script.slots.acquire()
    except TimeoutError:
        await conversation.send(events.build_queue_status("timed_out"))
        await conversation.close(_QUEUE_TIMED_OUT, "Queue wait timed out")
    else:
        try:
            if is_queued:
                await conversation.send(events.build_queue_status("admitted"))
            await _converse(conversation, script)
        finally:
            script.slots.release()


async def _converse(conversation: FakeConversation, script: Script) -> None:
    agent = conversation.agent
    if script.before_metadata is not None:
        await script.before_metadata(conversation)
    await conversation.send(
        events.build_metadata(conversation.conversation_id, agent.output_format, agent.input_format)
    )
    conversation.record.begin(conversation.initiation, text_only=conversation.text_only)
    first_message = _write_first_message(conversation)
    refusal = _find_refusal(conversation, first_message)
    if refusal is not None:
        await conversation.fail(1008, *refusal)
    else:
        if script.after_metadata is not None:
            await script.after_metadata(conversation)
        pinging = asyncio.create_task(_ping(conversation))
        try:
            await asyncio.sleep(0)  # the first ping comes before the first message
            await _take_turns(conversation, script.reply, first_message)
        finally:
            pinging.cancel()


def _write_first_message(conversation: FakeConversation) -> str:
    """Return the first message with the variables that the client gave; others stay as placeholders."""
    override = (conversation.initiation.get("conversation_config_override") or {}).get("agent") or {}
    template = override.get("first_message")
    if template is None:
        template = conversation.agent.first_message
    variables = conversation.initiation.get("dynamic_variables") or {}
    return _PLACEHOLDER.sub(lambda match: str(variables.get(match[1], match[0])), template)


def _find_refusal(conversation: FakeConversation, first_message: str) -> tuple[str, str] | None:
    """Return the type and text of the error for which the conversation is refused; None if it is accepted."""
    allowed = conversation.agent.allowed_overrides
    override = conversation.initiation.get("conversation_config_override") or {}
    fields = [name for group in override.values() if isinstance(group, dict) for name in group]
    refused = [] if allowed is None else [name for name in fields if name not in allowed]
    if refused:
        return "override_error", f"Override for field {refused[0]} is not allowed by config."
    if missing := set(_PLACEHOLDER.findall(first_message)):
        return "missing_dynamic_variable", f"Missing required dynamic variables in first message: {missing}"
    return None


async def _ping(conversation: FakeConversation) -> None:
    agent, pings = conversation.agent, conversation.pings
    with contextlib.suppress(ConnectionError):
        while True:
            ping = SentPing(len(pings) + 1, time.perf_counter())
            latency = pings[-1].latency if pings else None
            pings.append(ping)
            await conversation.send(events.build_ping(ping.event_id, latency))
            await asyncio.sleep(agent.ping_interval)
            if conversation.idle_seconds > agent.idle_timeout:
                await conversation.fail(1002, "transport_receive_timeout", "No user input was received")
                return


async def _take_turns(conversation: FakeConversation, reply: ReplyFunction, first_message: str) -> None:
    if first_message:
        greeting = Turn(conversation, conversation.next_event_id(), None)
        await greeting.say(first_message)
        await conversation.send_enabled(events.build_response_complete(greeting.event_id))
    while True:
        await conversation.wait_until(lambda each: each.has_input)
        user = conversation.take_input()
        turn = Turn(conversation, conversation.next_event_id(), user)
        await _show_user(conversation, user, turn.event_id)
        if not conversation.human_has_taken_over:
            await _reply(turn, reply)


async def _show_user(conversation: FakeConversation, user: UserTurn, event_id: int) -> None:
    """Record a turn of the user, and send its transcript: to the client if it was spoken, to monitors in any case."""
    conversation.record.add_user(user.text, user.medium)
    event = events.build_user_transcript(user.text, event_id)
    if user.medium == "audio":
        await conversation.send_enabled(event)
    else:
        conversation.publish(event)
    if user.is_multimodal:
        await conversation.send_enabled(events.build_interruption(event_id))


async def _reply(turn: Turn, reply: ReplyFunction) -> None:
    """Reply to a turn, until the user interrupts."""
    conversation = turn.conversation
    replying = asyncio.ensure_future(_say_reply(turn, reply))
    interrupting = asyncio.ensure_future(conversation.wait_until(lambda each: each.has_input))
    try:
        await asyncio.wait({replying, interrupting}, return_when=asyncio.FIRST_COMPLETED)
        if replying.done():
            await replying
            return
        replying.cancel()
        await asyncio.wait({replying})
        await interrupt(conversation, "")
    finally:
        for task in (replying, interrupting):
            task.cancel()


async def _say_reply(turn: Turn, reply: ReplyFunction) -> None:
    text = await reply(turn)
    if text is not None:
        await turn.say(text)
    await turn.conversation.send_enabled(events.build_response_complete(turn.event_id))


async def interrupt(conversation: FakeConversation, said: str) -> None:
    """Interrupt the agent, which has said only this part of its last message."""
    event_id = conversation.next_event_id()
    await conversation.send_enabled(events.build_interruption(event_id))
    whole = conversation.record.interrupt(said)
    if whole is not None:
        await conversation.send_enabled(events.build_correction(whole, said, event_id))
