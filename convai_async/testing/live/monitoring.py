"""The monitor of a running conversation: shows its events, and carries out commands."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMsgType, web

from convai_async.testing.live import events
from convai_async.testing.live.turns import Turn

if TYPE_CHECKING:
    from convai_async.testing.live.conversation import FakeConversation

JSON = dict[str, Any]


class _EndCall(msgspec.Struct, tag_field="command_type", tag="end_call"):
    pass


class _PhoneNumber(msgspec.Struct):
    phone_number: str


class _TransferToNumber(msgspec.Struct, tag_field="command_type", tag="transfer_to_number"):
    parameters: _PhoneNumber


class _Update(msgspec.Struct):
    contextual_update: str


class _ContextualUpdate(msgspec.Struct, tag_field="command_type", tag="contextual_update"):
    parameters: _Update


class _Text(msgspec.Struct):
    text: str


class _SendHumanMessage(msgspec.Struct, tag_field="command_type", tag="send_human_message"):
    parameters: _Text


class _EnableHumanTakeover(msgspec.Struct, tag_field="command_type", tag="enable_human_takeover"):
    pass


class _DisableHumanTakeover(msgspec.Struct, tag_field="command_type", tag="disable_human_takeover"):
    pass


_Command = (
    _EndCall | _TransferToNumber | _ContextualUpdate | _SendHumanMessage | _EnableHumanTakeover | _DisableHumanTakeover
)


async def monitor(conversation: FakeConversation, request: web.Request) -> web.WebSocketResponse:
    """Show a conversation to a monitor until it ends or the monitor leaves."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    forwarding = asyncio.create_task(_forward(conversation, socket))
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await _run_command(conversation, socket, message.data)
    finally:
        forwarding.cancel()
        await asyncio.wait([forwarding])
    return socket


async def _forward(conversation: FakeConversation, socket: web.WebSocketResponse) -> None:
    watching = conversation.watch()
    with contextlib.suppress(ConnectionError):
        while (event := await watching.get()) is not None:
            await socket.send_json(event)
        await socket.close()


async def _run_command(conversation: FakeConversation, socket: web.WebSocketResponse, text: str) -> None:
    try:
        command = msgspec.json.decode(text, type=_Command)
    except msgspec.DecodeError as error:
        await socket.send_json(events.build_error(1008, "invalid_message", f"Invalid command: {error}"))
        return
    conversation.commands.append(msgspec.json.decode(text))
    match command:
        case _EndCall():
            await conversation.close(1000, "Ended by a monitor")
        case _TransferToNumber():
            await conversation.close(1000, f"Transferred to {command.parameters.phone_number}")
        case _EnableHumanTakeover() | _DisableHumanTakeover():
            conversation.human_has_taken_over = isinstance(command, _EnableHumanTakeover)
        case _SendHumanMessage():
            await Turn(conversation, conversation.next_event_id(), None).say(command.parameters.text)
        case _:
            pass  # a contextual update is in `commands`, where the agent finds it
