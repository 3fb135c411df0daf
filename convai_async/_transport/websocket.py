"""A WebSocket, opened over aiohttp."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from convai_async._support.text import Secret, to_short_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from convai_async._support.redaction import Redactor
    from convai_async._transport.connection_errors import ErrorTranslator

ABNORMAL_CLOSURE = 1006
"""The code of a connection that ended without a close frame (RFC 6455, 7.4.1)."""

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""As much as the service's own client accepts. Decoded JSON can need fifty times as much memory."""
_HEARTBEAT_SECS = 20.0
"""A connection without a byte for this time gets a ping, and is lost if nothing arrives in half of this time."""
_SEND_TIMEOUT_SECS = 30.0
"""A connection that accepts nothing for this time is lost, even if the other side still sends."""
_CLOSE_TIMEOUT_SECS = 5.0
_NO_CODE = 1005
"""Stands for a close frame without a code (RFC 6455, 7.4.1)."""
_SWITCHING_PROTOCOLS = 101


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """How to open a WebSocket.

    Attributes:
        path: The path of the client's service. Empty if ``url`` is the address.
        query: The names and values of the query of the path.
        url: A signed URL, which gets no API key.
        api_key: Whether to send the API key.
        protocols: The subprotocols to offer. They can contain a token.
    """

    path: str
    query: tuple[tuple[str, str], ...] = ()
    url: Secret = Secret()
    api_key: bool = False
    protocols: tuple[Secret, ...] = ()

    @property
    def name(self) -> str:
        """The request for messages, without secrets."""
        return f"WebSocket {self.path}"


class HandshakeSession:
    """Stands for an aiohttp session while it opens a WebSocket.

    aiohttp follows redirects of a handshake, also to other origins, and drops the body of a refusal.

    Args:
        session: aiohttp's session.
        refuse: Is called with a response that refuses the handshake, before it is closed.
    """

    def __init__(
        self, session: aiohttp.ClientSession, refuse: Callable[[aiohttp.ClientResponse], Awaitable[None]]
    ) -> None:
        self._session = session
        self._refuse = refuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def request(self, method: str, url: Any, **options: Any) -> aiohttp.ClientResponse:
        """Send the handshake."""
        response = await self._session.request(
            method,
            url,
            allow_redirects=False,
            raise_for_status=False,
            timeout=aiohttp.ClientTimeout(total=None),
            **options,
        )
        if response.status != _SWITCHING_PROTOCOLS:
            await self._refuse(response)
        return response

    async def open(self, url: Any, headers: Mapping[str, str], **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open the WebSocket."""
        session: Any = self
        opened: aiohttp.ClientWebSocketResponse = await aiohttp.ClientSession._ws_connect(  # noqa: SLF001 - ws_connect() would call that of the session
            session,
            url,
            headers=headers,
            heartbeat=_HEARTBEAT_SECS,
            max_msg_size=_MAX_MESSAGE_BYTES,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT_SECS),
            autoping=False,
            autoclose=False,
            **options,
        )
        return opened


class WebSocket:
    """An open WebSocket. One task can receive while others send.

    Args:
        socket: aiohttp's WebSocket.
        name: The request, for errors.
        errors: Translates aiohttp's exceptions.
        redactor: Removes the API key from texts.
        on_end: Is called with the WebSocket when its connection is gone.

    Attributes:
        close_code: The code with which it was closed, or None. `ABNORMAL_CLOSURE` means that the connection was lost.
        close_reason: The reason with which the other side closed it, or why the connection was lost.
    """

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        name: str,
        errors: ErrorTranslator,
        redactor: Redactor,
        on_end: Callable[[WebSocket], None],
    ) -> None:
        self.close_code: int | None = None
        self.close_reason = ""
        self._socket = socket
        self._name = name
        self._errors = errors
        self._redactor = redactor
        self._on_end = on_end
        # aiohttp closes a transport only after its buffer was sent, for which a dead connection waits for minutes.
        connection = socket._response.connection  # noqa: SLF001
        self._transport = None if connection is None else connection.transport
        self._ping: bytes | None = None
        self._pong_task: asyncio.Task[None] | None = None

    @property
    def is_client_closed(self) -> bool:
        """Whether the client has closed its connections."""
        return self._errors.client_closed

    async def send(self, text: str) -> None:
        """Send a message. Waits while the other side receives slowly.

        Raises:
            TransportError: The connection is closed or lost.
            ClientClosedError: The client was closed.
        """
        try:
            await self._limit(self._socket.send_str(text))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated, or raised again
            self._errors.raise_translated(error, self._name, reading=False)

    async def receive(self) -> str | None:
        """Wait for a message, and return its text; None after the end, which ``close_code`` explains. Never fails."""
        try:
            while (message := await self._socket.receive()).type in {aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG}:
                if message.type is aiohttp.WSMsgType.PING:
                    self._answer_ping(message.data)
                await asyncio.sleep(0)  # a flood of pings must not block the event loop
        except Exception as error:  # noqa: BLE001 - a connection that is lost in aiohttp's close
            self._end(ABNORMAL_CLOSURE, str(error))
            return None
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                return str(message.data)
            case aiohttp.WSMsgType.BINARY:
                return bytes(message.data).decode(errors="replace")
            case aiohttp.WSMsgType.CLOSE:
                # Without a code, aiohttp would wait for a second close frame.
                code = self._socket._close_code = message.data or _NO_CODE  # noqa: SLF001
                await self._answer_close()
                self._end(code, message.extra or "")
            case aiohttp.WSMsgType.ERROR if isinstance(message.data, TimeoutError):
                self._end(ABNORMAL_CLOSURE, "the service did not answer a ping")
            case aiohttp.WSMsgType.ERROR:
                self._end(self._socket.close_code, str(message.data))
            case _:  # this side has closed it, or the connection was lost
                self._end(self._socket.close_code, "")
        return None

    def _answer_ping(self, payload: bytes) -> None:
        """Answer a ping without waiting: the other side may read nothing before this side has read.

        Of pings that arrive while a pong is sent only the last one is answered (RFC 6455, 5.5.3).
        """
        self._ping = payload
        if self._pong_task is None:
            self._pong_task = asyncio.create_task(self._send_pongs())

    async def _send_pongs(self) -> None:
        try:
            with suppress(Exception):  # the task that receives finds the reason
                while self._ping is not None:
                    payload, self._ping = self._ping, None
                    await self._limit(self._socket.pong(payload))
        finally:
            self._pong_task = None

    async def _answer_close(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(_CLOSE_TIMEOUT_SECS):
                await self._socket.close()

    async def _limit(self, sending: Awaitable[None]) -> None:
        """Send a frame, and end the connection if it is not accepted in time."""
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_SECS):
                await sending
        except TimeoutError:
            # After a suspension of the process the time is over although the frame could be sent.
            if self._transport is not None and self._transport.get_write_buffer_size():
                self.close_reason = "the service did not receive anything"
                self._transport.abort()
                raise

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame, and wait up to 5 seconds for the answer. Never fails."""
        try:
            with suppress(aiohttp.ClientError, OSError):
                await self._socket.close(code=code, message=reason.encode())
        finally:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        # aiohttp has no method for this. Its timer is started again by the other side's close frame, and would keep the
        # closed WebSocket in memory.
        self._socket._response.close()  # noqa: SLF001
        self._socket._cancel_heartbeat()  # noqa: SLF001
        if self._pong_task is not None:
            self._pong_task.cancel()
        if self._transport is not None and self._transport.get_write_buffer_size():
            self._transport.abort()
        self._on_end(self)

    def _end(self, code: int | None, reason: str) -> None:
        self.close_code = ABNORMAL_CLOSURE if code is None else int(code)
        self.close_reason = to_short_line(self._redactor.redact_text(reason)) or self.close_reason
        self._on_end(self)
