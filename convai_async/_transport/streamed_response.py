"""A response whose body is still to be read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from convai_async.endpoints import get_request_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

    from convai_async._support.clock import RunningClock
    from convai_async._support.redaction import Redactor
    from convai_async._transport.connection_errors import ErrorTranslator


class StreamLimits(NamedTuple):
    """Limits of a body that is streamed.

    Attributes:
        max_bytes: The largest size.
        min_rate: The fewest bytes per second, averaged over a minute; 0 disables it.
    """

    max_bytes: int
    min_rate: int


class StreamedResponse:
    """A response whose headers have arrived, and whose body is still to be read.

    Args:
        aiohttp_response: aiohttp's response.
        request: The request's method and path.
        errors: Translates aiohttp's exceptions.
        limits: Limits of the body, for its reader.
        redactor: Removes the API key from texts.
        running: Counts the seconds in which the process was running.

    Attributes:
        request: The request's method and path.
        status: The HTTP status.
        headers: The headers; names in any case.
        timeout: Seconds until the next bytes of the body must have arrived; None means no limit.
        limits: Limits of the body, for its reader.
        redactor: Removes the API key from texts.
        running: Counts the seconds in which the process was running.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        aiohttp_response: aiohttp.ClientResponse,
        request: str,
        errors: ErrorTranslator,
        *,
        limits: StreamLimits,
        redactor: Redactor,
        running: RunningClock,
    ) -> None:
        self._aiohttp_response = aiohttp_response
        self._errors = errors
        self.request = request
        self.timeout: float | None = None
        self.limits = limits
        self.redactor = redactor
        self.running = running
        self.status = aiohttp_response.status
        self.headers: Mapping[str, str] = aiohttp_response.headers

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        return get_request_id(self.headers)

    @property
    def raw_bytes(self) -> int:
        """The bytes of the body that have arrived so far, before decompression."""
        return self._aiohttp_response.content.total_raw_bytes

    @property
    def end_is_marked(self) -> bool:
        """Whether the end of the body can be told from a lost connection (RFC 9112, 6.3)."""
        codings = self.headers.get("transfer-encoding", "").lower().split(",")
        return "content-length" in self.headers or codings[-1].strip() == "chunked"

    async def read_chunk(self) -> bytes:
        """Wait for bytes of the body and return them; empty at its end.

        Raises:
            IncompleteBodyError: The body ended early.
            RequestTimeoutError: No bytes arrived within ``timeout``.
            ClientClosedError: The client was closed.
        """
        try:
            if self.timeout is None:
                return await self._aiohttp_response.content.readany()
            async with self.running.timeout(self.timeout):
                return await self._aiohttp_response.content.readany()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated, or raised again
            self._errors.raise_translated(error, self.request, reading=True)

    def abort(self) -> None:
        """End the body early: its reader gets an error."""
        self._aiohttp_response.content.set_exception(ConnectionError("the client was closed"))
