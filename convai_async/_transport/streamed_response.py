"""A reply whose body is still to come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol, Self

from convai_async.endpoints import get_request_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import aiohttp

    from convai_async._support.redaction import Redactor


class StreamLimits(NamedTuple):
    """Limits of a body that is streamed.

    Attributes:
        max_bytes: The largest size.
        min_rate: The fewest bytes per second, averaged over a minute; 0 disables it.
    """

    max_bytes: int
    min_rate: int


class _RaiseTranslated(Protocol):
    def __call__(self, error: BaseException, request: str, *, reading: bool) -> NoReturn: ...


class StreamedResponse:
    """A reply whose body is still to come; what is left of it is given up when the block ends.

    Args:
        reply: aiohttp's reply.
        request: The request's method and path.
        limits: Limits of the body, for its reader.
        redactor: Removes the API key from what is shown of the reply.
        open_replies: Where the reply is noted while its block lasts.
        raise_translated: Raises one of our exceptions in place of aiohttp's.

    Attributes:
        request: The request's method and path.
        status: The HTTP status.
        headers: The headers; names in any case.
        timeout: Seconds that a part of the body may take, or None.
        limits: Limits of the body, for its reader.
        redactor: Removes the API key from what is shown of the reply.
    """

    def __init__(  # noqa: PLR0913 - what it shares with the session
        self,
        reply: aiohttp.ClientResponse,
        request: str,
        *,
        limits: StreamLimits,
        redactor: Redactor,
        open_replies: set[StreamedResponse],
        raise_translated: _RaiseTranslated,
    ) -> None:
        self._reply = reply
        self._open_replies = open_replies
        self._raise_translated = raise_translated
        self.request = request
        self.timeout: float | None = None
        self.limits = limits
        self.redactor = redactor
        self.status = reply.status
        self.headers: Mapping[str, str] = reply.headers

    async def __aenter__(self) -> Self:
        self._open_replies.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open_replies.discard(self)
        await self._reply.__aexit__(kind, error, traceback)

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        return get_request_id(self.headers)

    @property
    def raw_bytes(self) -> int:
        """The bytes of the body that have arrived so far, before decompression."""
        return self._reply.content.total_raw_bytes

    @property
    def end_is_marked(self) -> bool:
        """Whether the end of the body can be told from a connection that was lost (RFC 9112, 6.3)."""
        codings = self.headers.get("transfer-encoding", "").lower().split(",")
        return "content-length" in self.headers or codings[-1].strip() == "chunked"

    async def read_chunk(self) -> bytes:
        """Return the bytes that have come since, at least one; empty at the end of the body.

        Raises:
            IncompleteBodyError: The body ended early.
            RequestTimeoutError: Nothing came for too long.
            ClientClosedError: The client was closed.
        """
        try:
            if self.timeout is None:
                return await self._reply.content.readany()
            async with asyncio.timeout(self.timeout):
                return await self._reply.content.readany()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated, or raised again
            self._raise_translated(error, self.request, reading=True)

    def abort(self) -> None:
        """End the body early: its reader gets an error."""
        self._reply.content.set_exception(ConnectionError("the client was closed"))
