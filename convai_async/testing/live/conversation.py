"""A live conversation: reads the messages of the client, sends events, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from aiohttp import WSMsgType, web

from convai_async.testing.live import client_messages, events
from convai_async.testing.live.audio import FORMATS, SpeechDetector
from convai_async.testing.live.client_messages import InvalidMessageError
from convai_async.testing.live.received import ReceivedMessages
from convai_async.testing.live.user_turn import UserTurn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from convai_async.testing.live.agents import Agent
    from convai_async.testing.live.record import ConversationRecord
    from convai_async.testing.uploaded_files import UploadedFile

JSON = dict[str, Any]
Found = TypeVar("Found")

_MAX_MESSAGE = 16 * 1024 * 1024
_CLOSE_TIMEOUT = 1.0
_NOT_MONITORED = frozenset({"audio", "ping", "vad_score"})
_MAX_REPLAYED = 100
_MAX_REASON_BYTES = 123
"""Bytes of a reason in a close frame (RFC 6455, 5.5)."""

_logger = logging.getLogger("convai_async.testing")


class ConversationEnd(NamedTuple):
    """How a conversation ended.

    Attributes:
        code: The close code; 1006 if the connection was lost.
        reason: The reason in the close frame.
        by: ``"agent"``, ``"client"``, or ``""`` if the connection was lost.
    """

    code: int
    reason: str
    by: str


class SentPing(msgspec.Struct):
    """A ping that was sent.

    Attributes:
        event_id: Its id.
        sent: When, by `time.perf_counter`.
        latency: The seconds until the pong; None if there was none yet.
    """

    event_id: int
    sent: float
    latency: float | None = None


class FakeConversation:
    """A live conversation, in ``fake.live.conversations``.

    Attributes:
        agent: The settings of the agent.
        conversation_id: Its id.
        authorization: How it was authorized: ``"public"``, ``"signed_url"`` or ``"authorization_header"``.
        text_only: Whether it has no audio.
        initiation: The message with which the client began it, as a dict; empty before.
        received: The messages of the client in order, as dicts, without the audio: see `ReceivedMessages`.
        sent: The events that were sent, as dicts, without audio and pings.
        audio: The audio that the client sent.
        commands: The commands of monitors, as dicts.
        pings: The pings that were sent, with the latency of their pongs.
        closed: How it ended; None while it runs.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only but the agent
        self,
        agent: Agent,
        *,
        conversation_id: str,
        transport: asyncio.Transport,
        authorization: str,
        record: ConversationRecord,
        new_id: Callable[[str], str],
        pick_fault: Callable[[str], Callable[[FakeConversation, JSON], Awaitable[None]] | None],
        files: Mapping[tuple[str, str], UploadedFile],
        add_quirks: Callable[[JSON], JSON] | None,
    ) -> None:
        self.agent = agent
        self.conversation_id = conversation_id
        self.transport = transport
        self.authorization = authorization
        self.new_id = new_id
        self.text_only = agent.text_only
        self.client_events = agent.client_events
        self.initiation: JSON = {}
        self.received = ReceivedMessages()
        self.sent: list[JSON] = []
        self.audio = bytearray()
        self.commands: list[JSON] = []
        self.pings: list[SentPing] = []
        self.closed: ConversationEnd | None = None
        self.record = record
        self.human_has_taken_over = False
        self._pick_fault = pick_fault
        self._files = files
        self._add_quirks = add_quirks
        self._speech_detector = SpeechDetector(FORMATS[agent.input_format])
        self._inputs: deque[UserTurn] = deque()
        self._watchers: list[asyncio.Queue[JSON | None]] = []
        self._changed = asyncio.Event()  # replaced whenever something arrives: see `wait_until`
        self._closing: asyncio.Task[bool] | None = None
        self._has_ended = False
        self._is_muted = False
        self._last_event_id = 0
        self._last_input = time.monotonic()
        self._socket = web.WebSocketResponse(
            protocols=("convai",), max_msg_size=_MAX_MESSAGE, timeout=_CLOSE_TIMEOUT, compress=False
        )

    async def serve(
        self, request: web.Request, act: Callable[[FakeConversation], Awaitable[None]]
    ) -> web.WebSocketResponse:
        """Accept the handshake, and read messages while the agent acts, until the conversation ends."""
        await self._socket.prepare(request)
        acting = asyncio.ensure_future(self._run(act))
        try:
            await self._read()
        finally:
            if self._closing is not None:
                await self._closing
            acting.cancel()
            await asyncio.wait([acting])
            self._finish()
        return self._socket

    async def send(self, event: JSON) -> None:
        """Send an event, unless a fault hits it.

        Raises:
            ConnectionError: The conversation has ended.
        """
        if self._add_quirks is not None:
            event = self._add_quirks(event)
        fault = self._pick_fault(str(event.get("type")))
        await (self.write(event) if fault is None else fault(self, event))

    async def send_enabled(self, event: JSON) -> None:
        """Send an event if its type is in the ``client_events`` of the conversation."""
        if event["type"] in self.client_events:
            await self.send(event)

    async def write(self, event: JSON) -> None:
        """Send an event without faults and quirks."""
        if event.get("type") not in _NOT_MONITORED:
            self.sent.append(event)
            self.publish(event)
        await self.write_text(msgspec.json.encode(event).decode())

    async def write_text(self, text: str) -> None:
        """Send a frame with this text."""
        if not self._is_muted:
            await self._socket.send_str(text)

    async def write_bytes(self, content: bytes) -> None:
        """Send a binary frame."""
        if not self._is_muted:
            await self._socket.send_bytes(content)

    def write_raw(self, content: bytes) -> None:
        """Send bytes that need not be a frame."""
        if not self._is_muted:
            self.transport.write(content)

    def mute(self) -> None:
        """Send nothing any more, not even the pongs of WebSocket pings, and read nothing."""
        self._is_muted = True
        self.transport.pause_reading()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the conversation."""
        if self.closed is None:
            self.closed = ConversationEnd(code, reason, "agent")
            message = reason.encode()[:_MAX_REASON_BYTES]
            self._closing = asyncio.create_task(self._socket.close(code=code, message=message))
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def fail(self, code: int, error_type: str, message: str) -> None:
        """Send an error event, and close the conversation with the message as its reason."""
        with contextlib.suppress(ConnectionError):
            await self.send(events.build_error(code, error_type, message))
        await self.close(code, message)

    async def wait_until(self, find: Callable[[FakeConversation], Found | None]) -> Found:
        """Wait until a function returns something true, and return it.

        It is called at once, after each message of the client, and when the conversation ends::

            closed = await conversation.wait_until(lambda each: each.closed)

        Raises:
            ConnectionError: The conversation ended before.
        """
        while not (found := find(self)):
            if self._has_ended:
                raise ConnectionResetError(f"the conversation {self.conversation_id} has ended: {self.closed}")
            await self._changed.wait()
        return found

    async def wait_for(self, message_type: str) -> JSON:
        """Return the first message of the client that has this type, waiting for it if it was not received yet.

        Raises:
            ConnectionError: The conversation ended before.
        """
        return (await self.wait_until(lambda _: self.received(message_type)))[0]

    def next_event_id(self) -> int:
        """Return the id of the events of a new turn."""
        self._last_event_id += 1
        return self._last_event_id

    @property
    def has_input(self) -> bool:
        """Whether a turn of the user waits for a reply."""
        return bool(self._inputs)

    def take_input(self) -> UserTurn:
        """Return the next turn of the user."""
        return self._inputs.popleft()

    @property
    def idle_seconds(self) -> float:
        """The seconds since the client sent something other than a pong."""
        return time.monotonic() - self._last_input

    def watch(self) -> asyncio.Queue[JSON | None]:
        """Return a queue of the latest and all further events, for a monitor; None follows the last one."""
        queue: asyncio.Queue[JSON | None] = asyncio.Queue()
        for event in self.sent[-_MAX_REPLAYED:]:
            queue.put_nowait(event)
        self._watchers.append(queue)
        return queue

    def publish(self, event: JSON) -> None:
        """Send an event to the monitors."""
        for queue in self._watchers:
            queue.put_nowait(event)

    async def _run(self, act: Callable[[FakeConversation], Awaitable[None]]) -> None:
        try:
            with contextlib.suppress(ConnectionError):  # the conversation has ended
                await act(self)
        except Exception as error:
            _logger.exception("The script of the agent %r failed", self.agent.agent_id)
            await self.fail(1011, "unknown_websocket_crash", f"{type(error).__name__}: {error}")

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                await self._receive_text(message.data)
            elif message.type is WSMsgType.BINARY:
                await self.fail(1008, "invalid_message", "Invalid message received: binary frames are not supported")
            else:
                if message.type is WSMsgType.CLOSE and self.closed is None:
                    self.closed = ConversationEnd(message.data or 1005, message.extra or "", "client")
                return

    async def _receive_text(self, text: str) -> None:
        try:
            document = client_messages.decode(text)
            if "user_audio_chunk" in document:
                self._receive_audio(client_messages.read_audio(document))
            else:
                await self._receive(document, client_messages.read_message(document))
        except InvalidMessageError as error:
            await self.fail(1008, "invalid_message", str(error))
        self._notify()

    def _receive_audio(self, chunk: bytes) -> None:
        self._last_input = time.monotonic()
        if self.agent.keep_audio:
            self.audio += chunk
        speech = self._speech_detector.add(chunk)
        if speech is not None:
            text = self.agent.transcribe(speech)
            self._inputs.append(UserTurn(text=text, medium="audio", audio=speech))

    async def _receive(self, document: JSON, message: client_messages.Message) -> None:
        self.received.append(document)
        if isinstance(message, client_messages.Pong):
            self._note_pong(str(message.event_id))
            return
        self._last_input = time.monotonic()
        match message:
            case client_messages.ConversationInitiationClientData():
                self._begin(document, message)
            case client_messages.UserMessage(text=str(text)):
                self._inputs.append(UserTurn(text=text))
            case client_messages.MultimodalMessage():
                text = (message.text and message.text.text) or ""
                files = tuple(map(self._use_file, message.list_files()))
                self._inputs.append(UserTurn(text=text, files=files, is_multimodal=True))
            case _:
                pass  # it is in `received`, where the agent finds it

    def _begin(self, document: JSON, message: client_messages.ConversationInitiationClientData) -> None:
        if self.initiation:
            raise InvalidMessageError("Invalid message received: the conversation was initiated already")
        self.initiation = document
        override = (message.conversation_config_override or {}).get("conversation") or {}
        self.text_only = override.get("text_only") or self.text_only
        self.client_events = frozenset(override.get("client_events") or self.client_events)

    def _use_file(self, file_id: str) -> UploadedFile:
        file = self._files.get((self.conversation_id, file_id))
        if file is None:
            raise InvalidMessageError(f"Invalid message received: the file {file_id!r} does not exist")
        file.used = True
        return file

    def _note_pong(self, event_id: str) -> None:
        for ping in reversed(self.pings):
            if str(ping.event_id) == event_id:
                ping.latency = time.perf_counter() - ping.sent
                return

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _finish(self) -> None:
        if self.closed is None:
            self.closed = ConversationEnd(1006, "", "")
        self.record.finish(*self.closed)
        for queue in self._watchers:
            queue.put_nowait(None)
        self._has_ended = True
        self._notify()
