"""Watch a running conversation, and act in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from convai_async._support.validate import validate_integer, validate_text
from convai_async._transport.websocket import Handshake
from convai_async.endpoints._request import build_conversation_path
from convai_async.live._connection import Connection
from convai_async.live._stream import EventStream, closing
from convai_async.live.messages import encode_command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async._transport.engine import Engine
    from convai_async._transport.websocket import WebSocket

__all__ = ["Monitor"]


class Monitor(EventStream):
    """Watches a running conversation, which `Conversations.monitor` opens.

    Iterate over it for the events of the conversation: about 100 recent ones, then the new ones, without audio and
    pings. Each method can raise `ConversationClosedError`. Closing the monitor does not end the conversation.
    """

    def __init__(self, conversation_id: str, socket: WebSocket, max_buffered_bytes: int) -> None:
        self.conversation_id = conversation_id
        self._connection = Connection(socket, max_buffered_bytes=max_buffered_bytes)

    async def end_call(self) -> None:
        """End the conversation."""
        await self._send("end_call")

    async def transfer_to_number(self, phone_number: str) -> None:
        """Transfer the call to a phone number, such as ``"+14155550100"``."""
        await self._send("transfer_to_number", phone_number=validate_text("phone_number", phone_number))

    async def send_context(self, text: str) -> None:
        """Give the agent background knowledge, which it does not answer."""
        await self._send("contextual_update", contextual_update=validate_text("text", text))

    async def start_takeover(self) -> None:
        """Let a human speak instead of the agent, with `send_message`."""
        await self._send("enable_human_takeover")

    async def send_message(self, text: str) -> None:
        """Say something to the user instead of the agent, after `start_takeover`."""
        await self._send("send_human_message", text=validate_text("text", text))

    async def stop_takeover(self) -> None:
        """Let the agent speak again."""
        await self._send("disable_human_takeover")

    async def _send(self, command: str, **parameters: str) -> None:
        await self._put(encode_command(command, parameters))


@asynccontextmanager
async def monitor(engine: Engine, conversation_id: str, max_buffered_bytes: int) -> AsyncIterator[Monitor]:
    """Watch a conversation; see `Conversations.monitor`."""
    validate_integer("max_buffered_bytes", max_buffered_bytes, 1)
    handshake = Handshake(path=build_conversation_path(conversation_id) + "/monitor", api_key=True)
    watching = Monitor(conversation_id, await engine.open_websocket(handshake), max_buffered_bytes)
    async with closing(watching):
        yield watching
