"""A WebSocket, opened over aiohttp."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from convai_async._support.text import Secret, one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from convai_async._support.redaction import Redactor
    from convai_async._transport.connection_errors import ErrorTranslator

ABNORMAL_CLOSURE = 1006
"""The code of a connection that ended without a close frame (RFC 6455, 7.4.1)."""

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The service's own client accepts messages of 16 MiB."""
_HEARTBEAT_SECS = 20.0
"""A connection without a byte for this time gets a ping, and is lost if nothing arrives in half of this time."""
_CLOSE_TIMEOUT_SECS = 5.0
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
            await self._socket.send_str(text)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated, or raised again
            self._errors.raise_translated(error, self._name, reading=False)

    async def receive(self) -> str | None:
        """Wait for a message, and return its text; None after the end, which ``close_code`` explains. Never fails."""
        try:
            message = await self._socket.receive()
        except Exception as error:  # noqa: BLE001 - a connection that is lost during aiohttp's pong
            self._end(ABNORMAL_CLOSURE, str(error))
            return None
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                return str(message.data)
            case aiohttp.WSMsgType.BINARY:
                return bytes(message.data).decode(errors="replace")
            case aiohttp.WSMsgType.CLOSE:
                self._end(message.data, message.extra or "")
            case aiohttp.WSMsgType.ERROR if isinstance(message.data, TimeoutError):
                self._end(ABNORMAL_CLOSURE, "the service did not answer a ping")
            case aiohttp.WSMsgType.ERROR:
                self._end(self._socket.close_code, str(message.data))
            case _:  # this side has closed it, or the connection was lost
                self._end(self._socket.close_code, "")
        return None

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
        self._on_end(self)

    def _end(self, code: int | None, reason: str) -> None:
        self.close_code = ABNORMAL_CLOSURE if code is None else code
        self.close_reason = one_line(self._redactor.redact_text(reason))
        self._on_end(self)
