"""A client of the live protocol that only sends and receives JSON, for tests of the fake service."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.testing import FakeConvAI

JSON = dict[str, Any]

INITIATION: JSON = {"type": "conversation_initiation_client_data"}
MAX_MESSAGE = 16 * 1024 * 1024


class LiveSocket:
    """The client's side of a conversation.

    Attributes:
        socket: The WebSocket.
        received: All events, in order.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.received: list[JSON] = []

    async def send(self, message: JSON) -> None:
        await self.socket.send_json(message)

    async def say(self, text: str) -> None:
        await self.send({"type": "user_message", "text": text})

    async def read(self, event_type: str) -> JSON:
        """Return the next event of a type; pings are answered, and others skipped."""
        while True:
            event: JSON = await self.socket.receive_json()
            self.received.append(event)
            if event.get("type") == "ping":
                await self.send({"type": "pong", "event_id": event["ping_event"]["event_id"]})
            if event.get("type") == event_type:
                return event

    async def read_reply(self) -> str:
        """Return the text of the next reply, without the blanks at its end."""
        event = await self.read("agent_response")
        await self.read("agent_response_complete")
        return str(event["agent_response_event"]["agent_response"]).strip()

    async def read_close(self) -> tuple[int, str]:
        """Read to the end, and return the code and reason of the close frame; 1006 if there is none."""
        while True:
            message = await self.socket.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return message.data, message.extra or ""
            if message.type is not aiohttp.WSMsgType.TEXT:
                return 1006, ""
            self.received.append(message.json())

    @property
    def types(self) -> list[str]:
        """The types of the events, without parts, audio and pings."""
        left_out = {"agent_chat_response_part", "audio", "ping"}
        return [event["type"] for event in self.received if event["type"] not in left_out]


@asynccontextmanager
async def open_socket(
    fake: FakeConvAI,
    agent_id: str = "agent_front_desk",
    *,
    url: str | None = None,
    initiation: JSON | None = INITIATION,
    **options: Any,
) -> AsyncIterator[LiveSocket]:
    """Open a conversation and send the initiation data; ``options`` are those of aiohttp's ``ws_connect``."""
    url = url or f"{fake.url.replace('http', 'ws')}/v1/convai/conversation?agent_id={agent_id}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=MAX_MESSAGE, **options) as socket,
    ):
        opened = LiveSocket(socket)
        if initiation is not None:
            await opened.send(initiation)
        yield opened
