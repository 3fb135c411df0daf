"""A live conversation: reads the messages of the client, and lets the agent act."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aiohttp import WSMsgType, web

from convai_async.testing.live import client_messages, events
from convai_async.testing.live.client_messages import InvalidMessageError
from convai_async.testing.live.turns import ToolResult, Turn, UserTurn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from convai_async.testing.live.agents import Agent

JSON = dict[str, Any]

_MAX_MESSAGE = 16 * 1024 * 1024
_CLOSE_TIMEOUT = 1.0


class Closed(NamedTuple):
    """How a conversation ended.

    Attributes:
        code: The close code; 1006 if the connection was lost.
        reason: The reason in the close frame.
        by: ``"agent"``, ``"client"``, or ``""`` if the connection was lost.
    """

    code: int
    reason: str
    by: str


class Ping(msgspec.Struct):
    """A ping that was sent.

    Attributes:
        event_id: Its id.
        sent: When, by `time.perf_counter`.
        latency: The seconds until the pong; None if there was none yet.
    """

    event_id: int
    sent: float
    latency: float | None = None


class LiveConversation:
    """A live conversation."""

    def __init__(
        self,
        agent: Agent,
        conversation_id: str,
        new_id: Callable[[str], str],
    ) -> None:
        self.agent = agent
        self.conversation_id = conversation_id
        self.new_id = new_id
        self.initiation: JSON = {}
        self.received: list[JSON] = []
        self.sent: list[JSON] = []
        self.audio = bytearray()
        self.pings: list[Ping] = []
        self.closed: Closed | None = None
        self.text_only = agent.text_only
        self.client_events = agent.client_events
        self.tool_results: dict[str, asyncio.Future[ToolResult]] = {}
        self._socket: web.WebSocketResponse
        self._inputs: asyncio.Queue[UserTurn] = asyncio.Queue()
        self._initiated = asyncio.Event()
        self._ended = asyncio.Event()
        self._closing: asyncio.Task[bool] | None = None
        self._last_event_id = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Accept the handshake, and hold the conversation until it ends."""
        self._socket = web.WebSocketResponse(
            protocols=("convai",), max_msg_size=_MAX_MESSAGE, timeout=_CLOSE_TIMEOUT, compress=False
        )
        await self._socket.prepare(request)
        acting = asyncio.create_task(self._act())
        try:
            await self._read()
        finally:
            if self._closing is not None:
                await self._closing
            acting.cancel()
            await asyncio.wait([acting])
            self._ended.set()
        return self._socket

    async def send(self, event: JSON) -> None:
        """Send an event.

        Raises:
            ConnectionError: The conversation has ended.
        """
        self.sent.append(event)
        await self._socket.send_str(msgspec.json.encode(event).decode())

    async def send_enabled(self, event: JSON) -> None:
        """Send an event if the conversation's ``client_events`` have its type."""
        if event["type"] in self.client_events:
            await self.send(event)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the conversation."""
        if self.closed is None:
            self.closed = Closed(code, reason, "agent")
            self._closing = asyncio.create_task(self._socket.close(code=code, message=reason.encode()))
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def fail(self, code: int, error_type: str, message: str) -> None:
        """Send an error event, and close the conversation."""
        await self.send(events.build_error(code, error_type, message))
        await self.close(code, message)

    async def wait_closed(self) -> Closed:
        """Wait until the conversation has ended."""
        await self._ended.wait()
        assert self.closed is not None
        return self.closed

    def next_event_id(self) -> int:
        """Return the id of the next turn."""
        self._last_event_id += 1
        return self._last_event_id

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                try:
                    await self._receive(client_messages.decode(message.data))
                except InvalidMessageError as error:
                    await self.fail(1008, "invalid_message", str(error))
                continue
            if message.type is WSMsgType.CLOSE and self.closed is None:
                self.closed = Closed(message.data or 1005, message.extra or "", "client")
            elif self.closed is None:
                self.closed = Closed(1006, "", "")
            return

    async def _receive(self, document: JSON) -> None:
        if "user_audio_chunk" in document:
            self.audio += client_messages.read_audio(document)
            return
        message = client_messages.read_message(document)
        self.received.append(document)
        match message:
            case client_messages.ConversationInitiationClientData():
                self.initiation = document
                self._apply_overrides(message)
                self._initiated.set()
            case client_messages.Pong():
                self._note_pong(message.event_id)
            case client_messages.UserMessage(text=str(text)):
                self._inputs.put_nowait(UserTurn(text=text))
            case client_messages.ClientToolResult():
                waiting = self.tool_results.pop(message.tool_call_id, None)
                if waiting is not None:
                    waiting.set_result(ToolResult(message.result, message.is_error))
            case _:
                pass

    def _apply_overrides(self, message: client_messages.ConversationInitiationClientData) -> None:
        override = (message.conversation_config_override or {}).get("conversation") or {}
        self.text_only = override.get("text_only") or self.text_only
        self.client_events = frozenset(override.get("client_events") or self.client_events)

    def _note_pong(self, event_id: int | str) -> None:
        for ping in reversed(self.pings):
            if str(ping.event_id) == str(event_id) and ping.latency is None:
                ping.latency = time.perf_counter() - ping.sent
                return

    async def _act(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._initiated.wait()
            await self.send(
                events.build_metadata(self.conversation_id, self.agent.output_format, self.agent.input_format)
            )
            pinging = asyncio.create_task(self._ping())
            try:
                await self._take_turns()
            finally:
                pinging.cancel()
                await asyncio.wait([pinging])

    async def _ping(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                latency = self.pings[-1].latency if self.pings else None
                ping = Ping(len(self.pings) + 1, time.perf_counter())
                self.pings.append(ping)
                await self.send(events.build_ping(ping.event_id, latency))
                await asyncio.sleep(self.agent.ping_interval)

    async def _take_turns(self) -> None:
        if self.agent.first_message:
            await Turn(self, self.next_event_id(), None).say(self.agent.first_message)
        while True:
            user = await self._inputs.get()
            turn = Turn(self, self.next_event_id(), user)
            reply: Awaitable[str | None] = self.agent.reply(turn)
            text = await reply
            if text is not None:
                await turn.say(text)
            await self.send_enabled(events.build_response_complete(turn.event_id))
