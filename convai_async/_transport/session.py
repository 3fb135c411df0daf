"""Send a request once, over aiohttp.

The session opens or borrows an aiohttp session, sends a `Request`, and raises an exception of `convai_async.errors` for
every failure. It does not retry and does not limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from convai_async._support.clock import RunningClock
from convai_async._support.proxies import check_proxies
from convai_async._support.redaction import Redactor
from convai_async._transport.body import read_body, read_error_body, suspend
from convai_async._transport.connection_errors import ErrorTranslator, build_closed_error, disable_transparent_retry
from convai_async._transport.memory import MemoryBudget
from convai_async._transport.status_errors import REDIRECT_STATUSES, error_from_response
from convai_async._transport.streamed_response import StreamedResponse, StreamLimits
from convai_async._transport.websocket import HandshakeSession, WebSocket
from convai_async.endpoints import FileBody, JSONBody, Request, Response, get_request_id
from convai_async.errors import APIStatusError, ClientClosedError, ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping, Sequence

    from convai_async._support.text import Secret
    from convai_async._transport.memory import Reservation
    from convai_async._transport.websocket import Handshake

T = TypeVar("T")

_SUCCESS_STATUSES = range(200, 300)
_MAX_REDIRECTS = 5
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
"""aiohttp's timeout would count the time in which a response waits for memory: `Session` has its own."""


class _Connector(aiohttp.TCPConnector):
    """Drops pooled connections on which the server sent bytes after the last response.

    aiohttp checks that when a connection is returned to the pool, but not when it is taken out again. The next request
    would take those bytes for its response.
    """

    async def _get(self, key: Any, traces: Any) -> Any:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()
        return None

    def forget(self) -> None:
        """Drop the connections of an event loop that is closed."""
        self._close()


class Session:
    """Sends requests over an aiohttp session, which it opens in the running event loop before the first request.

    Args:
        base_url: The service's address: scheme, host and optionally the start of the path.
        headers: Headers of every request.
        api_key: The API key, another header of every request.
        borrowed: The caller's aiohttp session, which is never closed; None opens one.
        connector: The caller's connector for the session that is opened; it is never closed.
        trust_env: Whether the session that is opened takes proxies and netrc from the environment.
        ssl: aiohttp's ``ssl`` argument.
        trace_configs: aiohttp's tracing hooks for the session that is opened.
        max_response_bytes: The largest body that is read into memory, decompressed.
        max_memory_bytes: The memory that large bodies can take together.
        stream_limits: Limits of bodies that are streamed.

    Attributes:
        memory: The memory that large bodies take.
        running: Counts the seconds in which the process was running.
    """

    def __init__(  # noqa: PLR0913 - aiohttp's options, each by its name
        self,
        base_url: str,
        headers: Mapping[str, str],
        api_key: Secret,
        *,
        borrowed: aiohttp.ClientSession | None,
        connector: aiohttp.BaseConnector | None,
        trust_env: bool,
        ssl: ssl.SSLContext | aiohttp.Fingerprint | bool,
        trace_configs: Sequence[aiohttp.TraceConfig],
        max_response_bytes: int,
        max_memory_bytes: int,
        stream_limits: StreamLimits,
    ) -> None:
        self.memory = MemoryBudget(max_memory_bytes)
        self.running = RunningClock()
        self._redactor = Redactor(api_key)
        self._errors = ErrorTranslator(self._redactor)
        self._base_url = base_url
        self._headers = CIMultiDict(headers)
        self._headers["xi-api-key"] = api_key
        # A compressed body that was cut short can look complete.
        self._stream_headers = CIMultiDict(self._headers)
        self._stream_headers["accept-encoding"] = "identity"
        self._session = borrowed
        self._owned = borrowed is None
        self._connector = connector
        self._trust_env = trust_env
        self._ssl = ssl
        self._trace_configs = list(trace_configs)
        self._max_response_bytes = max_response_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._open_responses: set[StreamedResponse | WebSocket] = set()
        self._wrap = partial(
            StreamedResponse,
            errors=self._errors,
            limits=stream_limits,
            redactor=self._redactor,
            running=self.running,
        )

    async def close(self) -> None:
        """Close the aiohttp session unless it is borrowed, and abort its responses and WebSockets.

        Closing twice is allowed.
        """
        self._closed = True
        if self._owned and self._session is not None:
            self._errors.client_closed = True
            for response in tuple(self._open_responses):
                response.abort()
            await self._session.close()

    def hash_api_key(self, salt: bytes) -> bytes:
        """Return a salted hash of the API key."""
        return hmac.digest(self._headers["xi-api-key"].encode(), salt, "sha256")

    @property
    def key_digest(self) -> bytes:
        """A hash of the API key without a salt, to compare keys within the process; never store it."""
        return hashlib.sha256(self._headers["xi-api-key"].encode()).digest()

    async def send(self, request: Request[T], timeout: float | None, memory: Reservation | None = None) -> Response[T]:
        """Send a request once and read the whole response.

        Args:
            request: The request.
            timeout: Seconds for the whole response, without the time in which its body waits for memory; None means no
                limit.
            memory: Counts the body's memory until the caller releases it; by default it is counted until this returns.

        Raises:
            APIStatusError: The response's status is not a success.
            TransportError: The response is not complete.
            ResponseTooLargeError: The body is larger than ``max_response_bytes``.
            ClientClosedError: The client was closed.
            ConfigurationError: There is no asyncio event loop, or another one than before.
        """
        session = self._get_session()
        reservation = self.memory.reserve() if memory is None else memory
        kept = False
        try:
            async with (
                self.running.timeout(timeout) as deadline,
                self._receive(session, request, self._headers) as response,
            ):
                if response.status not in _SUCCESS_STATUSES:
                    raise await self._build_status_error(response, suspend(deadline))
                body = await read_body(response, self._max_response_bytes, reservation, deadline)
            kept = memory is not None
        except TimeoutError as error:
            self._errors.raise_translated(error, _name(request), reading=False)
        finally:
            if not kept:
                reservation.release()
        return Response(response.status, response.headers, body, self._redactor.wrap_decoder(request.decode))

    @asynccontextmanager
    async def stream(self, request: Request[Any], timeout: float | None) -> AsyncIterator[StreamedResponse]:
        """Send a request once, and yield the response before its body is read.

        Args:
            request: The request.
            timeout: Seconds until the response starts, and between two parts of its body; None means no limit. There is
                no limit for the whole body.

        Raises:
            ConvAIError: The same errors as in `send`; raised before anything is yielded.
        """
        session = self._get_session()
        async with AsyncExitStack() as stack:
            stack.enter_context(self.running)
            try:
                async with self.running.timeout(timeout):
                    response = await stack.enter_async_context(self._receive(session, request, self._stream_headers))
            except TimeoutError as error:
                self._errors.raise_translated(error, _name(request), reading=False)
            response.timeout = timeout
            if response.status not in _SUCCESS_STATUSES:
                raise await self._build_status_error(response, timeout)
            yield response

    @asynccontextmanager
    async def _receive(
        self, session: aiohttp.ClientSession, request: Request[Any], headers: CIMultiDict[str]
    ) -> AsyncIterator[StreamedResponse]:
        """Send a request, and yield the response until the block ends; the rest of its body is not read."""
        aiohttp_response = await self._request(session, request, headers)
        response = self._wrap(aiohttp_response, _name(request))
        self._open_responses.add(response)
        try:
            async with aiohttp_response:
                yield response
        finally:
            self._open_responses.discard(response)

    async def open_websocket(self, handshake: Handshake, timeout: float | None) -> WebSocket:
        """Open a WebSocket. The caller closes it.

        Args:
            handshake: The address, and how to authorize.
            timeout: Seconds; None means no limit.

        Raises:
            APIStatusError: The server refused the handshake.
            TransportError: There is no connection, or not in time.
            ClientClosedError: The client was closed.
            ConfigurationError: There is no asyncio event loop, or another one than before.
        """
        session = self._get_session()
        refused: APIStatusError | None = None

        async def refuse(aiohttp_response: aiohttp.ClientResponse) -> None:
            nonlocal refused
            refused = await self._build_status_error(self._wrap(aiohttp_response, handshake.name), timeout)

        try:
            async with self.running.timeout(timeout):
                opened = await HandshakeSession(session, refuse).open(
                    *self._build_address(handshake), protocols=handshake.protocols, ssl=self._ssl
                )
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated, or raised again
            if refused is None:
                self._errors.raise_translated(error, handshake.name, reading=False)
        else:
            socket = WebSocket(opened, handshake.name, self._errors, self._redactor, self._open_responses.discard)
            self._open_responses.add(socket)
            return socket
        raise refused  # outside the block: the context of the error would hold the request's headers

    def _build_address(self, handshake: Handshake) -> tuple[URL, CIMultiDict[str]]:
        """Return the address and the headers of a handshake."""
        if not handshake.url:
            query = "?" + urlencode(handshake.query) if handshake.query else ""
            url = URL(self._base_url + handshake.path + query, encoded=True)
        else:
            url = URL(handshake.url, encoded=True)
            # Proxies from the environment are for http and https.
            url = url.with_scheme({"ws": "http", "wss": "https"}.get(url.scheme, url.scheme))
        headers = self._headers.copy()
        if not handshake.api_key:
            del headers["xi-api-key"]
        if url.origin() != URL(self._base_url).origin():
            headers = CIMultiDict({"user-agent": headers["user-agent"]})
        return url, headers

    async def _request(
        self, session: aiohttp.ClientSession, request: Request[Any], headers: CIMultiDict[str]
    ) -> aiohttp.ClientResponse:
        """Send a request, and follow redirects within the origin."""
        if request.headers:
            headers = headers.copy()
            headers.update(request.headers)
        url = URL(
            self._base_url + request.path + ("?" + urlencode(request.query) if request.query else ""), encoded=True
        )
        redirects = 0
        while True:
            try:
                aiohttp_response = await session.request(
                    request.method,
                    url,
                    headers=headers,
                    timeout=_NO_TIMEOUT,
                    ssl=self._ssl,
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=True,
                    **_build_body_arguments(request),
                    # aiohttp sends idempotent requests again by itself when a pooled connection was closed. But the
                    # second response to a DELETE is a 404, so `Engine` must know of the first request.
                    middlewares=(disable_transparent_retry,)
                    if request.method == "DELETE" or not request.idempotent
                    else None,
                )
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated, or raised again
                self._errors.raise_translated(error, _name(request), reading=False)
            if aiohttp_response.status not in REDIRECT_STATUSES or redirects == _MAX_REDIRECTS:
                return aiohttp_response
            target = _find_redirect_target(request, aiohttp_response)
            if target is None:
                return aiohttp_response
            aiohttp_response.release()
            url = target
            redirects += 1

    def bind(self) -> bool:
        """Use the running event loop; return whether it replaces a closed one, whose connections are gone.

        Raises:
            ClientClosedError: The client was closed.
            ConfigurationError: There is no asyncio event loop, or the loop used before is another one and still open.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "there is no running asyncio event loop, which convai_async and aiohttp require"
            ) from None
        if self._closed:
            raise build_closed_error()
        if self._loop is loop:
            return False
        before, self._loop = self._loop, self._loop or loop
        if before is None:
            return False
        if not before.is_closed():
            raise ConfigurationError(
                "the client was first used in another event loop, to which its connections belong:"
                " create one client for each event loop"
            )
        if not self._owned or self._connector is not None:
            raise ConfigurationError(
                "the aiohttp session or connector that you passed belongs to a closed event loop: create a new client"
                " with a new one"
            )
        if self._session is not None and isinstance(self._session.connector, _Connector):
            self._session.connector.forget()
        self._session = None
        self._open_responses.clear()
        self._loop = loop
        return True

    def _get_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise build_closed_error()
        if self._session is None:
            if self._trust_env:
                check_proxies(self._base_url)
            self._session = aiohttp.ClientSession(
                # No limit here: the limiter has one, and a second queue would be invisible.
                connector=self._connector or _Connector(limit=0),
                connector_owner=self._connector is None,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self._trust_env,
                trace_configs=self._trace_configs,
            )
        if self._session.closed:
            raise ClientClosedError("the aiohttp session that you passed is closed")
        return self._session

    async def _build_status_error(self, response: StreamedResponse, timeout: float | None) -> APIStatusError:
        # An error message of the service or a proxy can contain the key.
        headers = CIMultiDict((name, self._redactor.redact_text(value)) for name, value in response.headers.items())
        body = self._redactor.redact_body(await read_error_body(response, timeout))
        return error_from_response(response.request, response.status, headers, body, get_request_id(headers))


def _find_redirect_target(request: Request[Any], aiohttp_response: aiohttp.ClientResponse) -> URL | None:
    """Return the address of a redirect within the origin, or None: the key must not be sent to another origin."""
    location = aiohttp_response.headers.get("location")
    if request.method not in {"GET", "HEAD"} or not location:
        return None
    try:
        target = aiohttp_response.url.join(URL(location))
        # The response must not set a user and password either.
        return target if target.origin() == aiohttp_response.url.origin() and "@" not in target.raw_authority else None
    except ValueError:
        return None


def _name(request: Request[Any]) -> str:
    return f"{request.method} {request.path}"


def _build_body_arguments(request: Request[Any]) -> dict[str, Any]:
    match request.body:
        case JSONBody(content):
            return {"data": aiohttp.BytesPayload(content, content_type="application/json")}
        case FileBody(field, content, _, content_type) as file:
            form = aiohttp.FormData(quote_fields=False)  # quoting would percent-encode it
            # A file is sent in parts. Large bytes would block the loop, and aiohttp warns of them.
            form.add_field(field, io.BytesIO(content), filename=file.escaped_filename, content_type=content_type)
            return {"data": form}
        case None:
            return {"skip_auto_headers": ("Content-Type",)}  # aiohttp sends one for a POST without a body too
