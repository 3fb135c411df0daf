"""HTTP: what talks to aiohttp, together with `_transport_errors`.

It opens a session or borrows one, sends a `Request` once, and turns every way in which that can go wrong into
an exception of ours. It does not retry and does not limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from convai_async._support.redaction import Redactor, drop_frames
from convai_async._support.tasks import is_cancelling
from convai_async._transport.connection_errors import disable_transparent_retry, transport_error, unwrap
from convai_async._transport.memory import UNCOUNTED_BYTES, MemoryBudget
from convai_async._transport.status_errors import error_from_reply
from convai_async._transport.streamed_response import StreamedResponse, StreamLimits
from convai_async.endpoints import FileBody, JSONBody, Request, Response, get_request_id
from convai_async.errors import (
    APIStatusError,
    ClientClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConvAIError,
    ResponseTooLargeError,
    TransportError,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping, Sequence

    from convai_async._support.text import Secret
    from convai_async._transport.memory import Reservation

T = TypeVar("T")

_SUCCESSES = range(200, 300)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
"""`Session` has the timeouts: one of aiohttp's would count the time in which a reply waits for memory."""
_LARGE_UNPACKED = 16 * 1024 * 1024
_LARGEST_RATIO = 100
"""How many times its compressed size a body larger than 16 MiB may have; JSON has 5 to 30 times."""
_LONGEST_ERROR_BODY = 1024 * 1024
"""Bytes of an error's body that are read: more is no explanation."""


class _Connector(aiohttp.TCPConnector):
    """Lends no pooled connection on which something came that nobody had asked for.

    aiohttp looks for that when a connection is given back, but not when it is lent again: the next request would take
    for its reply what came in between.
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
    """An aiohttp session, opened in the running loop when it is first needed.

    Args:
        base_url: Where the service is: scheme, host and perhaps the beginning of the path.
        headers: What to send with every request.
        api_key: The key, to send too.
        borrowed: A session of the caller's, which is never closed; None opens an own one.
        connector: For an own session: the caller's connector, which is never closed.
        trust_env: For an own session: whether proxies and netrc are taken from the environment.
        ssl: What aiohttp takes as ``ssl``.
        trace_configs: For an own session: aiohttp's hooks for tracing.
        max_response_bytes: The largest body that is read into memory, decompressed.
        max_memory_bytes: How much memory large bodies may take together.
        stream_limits: What the body of a stream may be.
    """

    def __init__(  # noqa: PLR0913 - what aiohttp takes, each by its name
        self,
        base_url: str,
        headers: Mapping[str, str],
        api_key: Secret,
        *,
        borrowed: aiohttp.ClientSession | None = None,
        connector: aiohttp.BaseConnector | None = None,
        trust_env: bool = False,
        ssl: ssl.SSLContext | aiohttp.Fingerprint | bool = True,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        max_response_bytes: int,
        max_memory_bytes: int,
        stream_limits: StreamLimits,
    ) -> None:
        self.memory = MemoryBudget(max_memory_bytes)
        self._redactor = Redactor(api_key)
        self._stream_limits = stream_limits
        self._base_url = base_url
        self._headers = CIMultiDict(headers)
        self._headers["xi-api-key"] = api_key
        # What is compressed and cut short can look whole.
        self._headers_of_streams = CIMultiDict(self._headers)
        self._headers_of_streams["accept-encoding"] = "identity"
        self._session = borrowed
        self._owned = borrowed is None
        self._connector = connector
        self._trust_env = trust_env
        self._ssl = ssl
        self._trace_configs = list(trace_configs)
        self._max_response_bytes = max_response_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._arriving: set[StreamedResponse] = set()

    async def close(self) -> None:
        """Close the session if it is our own, and end what it is used for; closing twice is no error."""
        self._closed = True
        if self._owned and self._session is not None:
            for reply in self._arriving:
                reply.abort()
            await self._session.close()

    def key_fingerprint(self, salt: bytes) -> bytes:
        """Return a slow hash of the API key."""
        return hashlib.scrypt(self._headers["xi-api-key"].encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)

    async def send(self, request: Request[T], timeout: float | None, memory: Reservation | None = None) -> Response[T]:
        """Send a request once and read the whole reply.

        Args:
            request: What to send.
            timeout: Seconds for all of it, or None. Waiting for memory does not count.
            memory: Where to count the body's memory, when the caller holds the body on; by default it is counted until
                this returns.

        Raises:
            APIStatusError: The reply's status is no success.
            TransportError: No whole reply arrived.
            ResponseTooLargeError: The body is larger than it may be.
            ClientClosedError: The client was closed.
            ConfigurationError: There is no asyncio loop, or another one than before.
        """
        session = self._opened()
        reservation = self.memory.reserve() if memory is None else memory
        kept = False
        try:
            async with (
                asyncio.timeout(timeout) as deadline,
                await self._open(session, request, self._headers) as arriving,
            ):
                if arriving.status not in _SUCCESSES:
                    raise await self._status_error(arriving, _suspend(deadline))
                body = await self._read_body(arriving, reservation, deadline)
            kept = memory is not None
        except TimeoutError as error:
            self._raise_translated(error, _name(request), reading=False)
        finally:
            if not kept:
                reservation.release()
        return Response(arriving.status, arriving.headers, body, self._redactor.decoder(request.decode))

    @asynccontextmanager
    async def stream(self, request: Request[Any], timeout: float | None) -> AsyncIterator[StreamedResponse]:
        """Send a request once, and yield the reply before its body.

        Args:
            request: What to send.
            timeout: Seconds until the reply begins, and seconds without a byte of it, or None. There is no bound on
                the whole.

        Raises:
            The same as `send`, before anything is yielded.
        """
        session = self._opened()
        try:
            async with asyncio.timeout(timeout):
                opened = await self._open(session, request, self._headers_of_streams)
        except TimeoutError as error:
            self._raise_translated(error, _name(request), reading=False)
        opened.timeout = timeout
        async with opened as arriving:
            if arriving.status not in _SUCCESSES:
                raise await self._status_error(arriving, timeout)
            yield arriving

    async def _open(
        self, session: aiohttp.ClientSession, request: Request[Any], headers: CIMultiDict[str]
    ) -> StreamedResponse:
        if request.headers:
            headers = headers.copy()
            headers.update(request.headers)
        url = URL(
            self._base_url + request.path + ("?" + urlencode(request.query) if request.query else ""), encoded=True
        )
        redirects = 0
        while True:
            try:
                reply = await session.request(
                    request.method,
                    url,
                    headers=headers,
                    timeout=_NO_TIMEOUT,
                    ssl=self._ssl,
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=True,
                    **_body_arguments(request),
                    # aiohttp repeats by itself what HTTP calls idempotent, when a pooled connection turns out
                    # dead. But a DELETE must know that it was repeated: its second answer is a 404.
                    middlewares=(disable_transparent_retry,)
                    if request.method == "DELETE" or not request.idempotent
                    else None,
                )
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated, or raised again
                self._raise_translated(error, _name(request), reading=False)
            target = _redirect_target(request, reply)
            if target is None or redirects == _MAX_REDIRECTS:
                return StreamedResponse(
                    reply,
                    _name(request),
                    limits=self._stream_limits,
                    redactor=self._redactor,
                    open_replies=self._arriving,
                    raise_translated=self._raise_translated,
                )
            reply.release()
            url = target
            redirects += 1

    def bind(self) -> bool:
        """Belong to the running event loop; return whether the loop of before is closed, and its connections with it.

        Raises:
            ClientClosedError: The client was closed.
            ConfigurationError: There is no asyncio loop, or the loop of before is another one and still open.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "convai_async runs on asyncio, as aiohttp does: there is no asyncio event loop here"
            ) from None
        if self._closed:
            raise _closed()
        if self._loop is loop:
            return False
        before, self._loop = self._loop, self._loop or loop
        if before is None:
            return False
        if not before.is_closed():
            raise ConfigurationError(
                "the client was first used in another event loop, to which its connections belong:"
                " make one client in each loop"
            )
        if not self._owned or self._connector is not None:
            raise ConfigurationError(
                "the client's aiohttp session or connector was given to it, and belongs to an event loop that is"
                " closed: make a new client with a new one"
            )
        if self._session is not None and isinstance(self._session.connector, _Connector):
            self._session.connector.forget()
            self._session.detach()
        self._session = None
        self._arriving.clear()
        self._loop = loop
        return True

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise _closed()
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # The limiter bounds the requests in flight: a second bound here would only hide a queue.
                connector=self._connector or _Connector(limit=0),
                connector_owner=self._connector is None,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self._trust_env,
                trace_configs=self._trace_configs,
            )
        if self._session.closed:
            raise ClientClosedError("the aiohttp session that the client was given is closed")
        return self._session

    async def _read_body(self, arriving: StreamedResponse, memory: Reservation, deadline: asyncio.Timeout) -> bytes:
        body = io.BytesIO()
        size = 0
        while chunk := await arriving.read_chunk():
            size += len(chunk)
            if size > self._max_response_bytes:
                raise ResponseTooLargeError(
                    f"{arriving.request}: the reply is larger than max_response_bytes, {self._max_response_bytes:,}"
                )
            if size > _LARGE_UNPACKED and size > _LARGEST_RATIO * arriving.raw_bytes:
                raise ResponseTooLargeError(
                    f"{arriving.request}: the reply is a decompression bomb:"
                    f" {arriving.raw_bytes:,} bytes unpack to more than {size:,}"
                )
            if size > UNCOUNTED_BYTES and not memory.try_grow(size):
                await _wait_for_memory(memory, size, deadline)
            body.write(chunk)
        return body.getvalue()

    async def _read_error_body(self, arriving: StreamedResponse, timeout: float | None) -> bytes:
        """Return what can be read of an error's body: the status says more than a body that is broken or endless."""
        body = bytearray()
        with suppress(TransportError, TimeoutError):
            async with asyncio.timeout(timeout):
                while len(body) < _LONGEST_ERROR_BODY and (chunk := await arriving.read_chunk()):
                    body += chunk
        return bytes(body[:_LONGEST_ERROR_BODY])

    def _raise_translated(self, error: BaseException, request: str, *, reading: bool) -> NoReturn:
        """Raise the exception of ours that says what aiohttp's says."""
        if isinstance(error, asyncio.CancelledError) and is_cancelling():
            raise error
        error = unwrap(error)
        translated: ConvAIError | None
        if isinstance(error, asyncio.CancelledError):
            # Nobody cancels this task: what aiohttp waited for was cancelled, as when the session is closed.
            translated = ConnectionFailedError(f"{request}: aiohttp was cancelled while it worked on it")
        else:
            translated = transport_error(error, request, reading=reading, clean=self._redactor.text)
        if translated is None:
            raise error
        if self._closed and self._owned:
            translated = _closed()
        # aiohttp's ClientResponseError holds the request's headers, hence the key: it is not chained.
        cause = None if isinstance(error, aiohttp.ClientResponseError) else error
        drop_frames(error)
        try:
            raise translated from cause
        finally:
            translated.__context__ = cause

    async def _status_error(self, arriving: StreamedResponse, timeout: float | None) -> APIStatusError:
        # A service or a proxy may quote the key in its complaint.
        headers = CIMultiDict((name, self._redactor.text(value)) for name, value in arriving.headers.items())
        body = self._redactor.body(await self._read_error_body(arriving, timeout))
        if arriving.status not in _REDIRECTS:
            return error_from_reply(arriving.request, arriving.status, headers, body, get_request_id(headers))
        return APIStatusError(
            f"{arriving.request} was answered {arriving.status}, a redirect that is not followed: it leads in circles,"
            " or elsewhere, where the key would go with it (check base_url and region)",
            status=arriving.status,
            headers=headers,
            body=body,
            request_id=get_request_id(headers),
        )


async def _wait_for_memory(memory: Reservation, size: int, deadline: asyncio.Timeout) -> None:
    """Wait until a body of ``size`` bytes may be held, and move the deadline by as long."""
    left = _suspend(deadline)
    await memory.grow(size)
    if left is not None:
        deadline.reschedule(asyncio.get_running_loop().time() + left)


def _suspend(deadline: asyncio.Timeout) -> float | None:
    """Stop a deadline, and return the seconds that were left."""
    ends = deadline.when()
    deadline.reschedule(None)
    return None if ends is None else ends - asyncio.get_running_loop().time()


def _closed() -> ClientClosedError:
    return ClientClosedError("the client is closed: make a new one, or use it inside its `async with` block")


def _redirect_target(request: Request[Any], reply: aiohttp.ClientResponse) -> URL | None:
    """Return where a redirect leads if it may be followed: on the same origin, since the key goes along."""
    if reply.status not in _REDIRECTS or request.method not in {"GET", "HEAD"}:
        return None
    try:
        target = reply.url.join(URL(reply.headers.get("location", "")))
        # Nor may the reply choose whom the request logs in as.
        return target if target.origin() == reply.url.origin() and "@" not in target.raw_authority else None
    except ValueError:
        return None


def _name(request: Request[Any]) -> str:
    return f"{request.method} {request.path}"


def _body_arguments(request: Request[Any]) -> dict[str, Any]:
    match request.body:
        case JSONBody(content):
            return {"data": aiohttp.BytesPayload(content, content_type="application/json")}
        case FileBody(field, content, _, content_type) as file:
            form = aiohttp.FormData(quote_fields=False)  # quoting would percent-encode the name
            # As a file, which aiohttp sends in pieces: it warns of large bytes, which would hold up the loop.
            form.add_field(field, io.BytesIO(content), filename=file.escaped_filename, content_type=content_type)
            return {"data": form}
        case None:
            return {"skip_auto_headers": ("Content-Type",)}  # aiohttp names a type for a POST even if it has no body
