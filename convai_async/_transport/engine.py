"""Send requests within the limits of the client, and retry them according to its policy."""

from __future__ import annotations

import copy
import logging
import time
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.to_thread import run_sync

from convai_async._support.clock import Stopwatch
from convai_async._transport.limiter import ThrottleTooLongError
from convai_async._transport.memory import SMALL_BODY_BYTES
from convai_async._transport.status_errors import parse_concurrency_limit
from convai_async.endpoints import Request, Response
from convai_async.errors import (
    APIStatusError,
    ConcurrencyLimitError,
    ConvAIError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    TransportError,
)
from convai_async.retry import RetryLoop, RetryPolicy, is_ambiguous

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from contextlib import AbstractContextManager

    from convai_async._transport.limiter import ConcurrencyLimiter, Priority, Slot
    from convai_async._transport.memory import Reservation
    from convai_async._transport.session import Session
    from convai_async._transport.streamed_response import StreamedResponse
    from convai_async._transport.websocket import Handshake, WebSocket

T = TypeVar("T")
R = TypeVar("R")
AnyResponse = TypeVar("AnyResponse", bound="Response[Any] | StreamedResponse")

_logger = logging.getLogger("convai_async")

_THROTTLE_STATUSES = frozenset({429, 503})
"""Retry-After applies to all requests of the client."""


class Engine:
    """Sends the requests of all resources: limiter and retries around a session.

    Args:
        session: Sends a request once.
        limiter: Limits the requests in flight.
        retry: When to retry; None disables retries.
        timeout: Seconds for one attempt; for a stream, seconds without a byte. None disables it. Without ``retry``,
            waiting for a slot of the limiter counts.

    Attributes:
        priority: ``"bulk"`` requests wait for a slot without a time limit, and behind ``"interactive"`` ones.
        running: Counts the seconds in which the process was running.
        clock: Returns seconds.
        sleep: Waits for seconds.
        waiting: Returns a context manager that is entered while a request waits for a slot. It can end the wait.
    """

    def __init__(
        self, session: Session, limiter: ConcurrencyLimiter, retry: RetryPolicy | None, timeout: float | None
    ) -> None:
        self.session = session
        self.limiter = limiter
        self.retry = retry
        self.timeout = timeout
        self.priority: Priority = "interactive"
        self.running = session.running
        self.clock: Callable[[], float] = self.running
        self.sleep: Callable[[float], Awaitable[None]] = anyio.sleep
        self.waiting: Callable[[], AbstractContextManager[None]] = nullcontext

    def with_options(self, **options: Any) -> Engine:
        """Return an engine with other values of its attributes that shares everything else."""
        engine = copy.copy(self)
        for name, value in options.items():
            setattr(engine, name, value)
        return engine

    async def send(self, request: Request[T]) -> T:
        """Send a request and return its decoded result.

        A response that cannot be decoded is a failed attempt if the request is idempotent. It is retried if the
        `DecodeError` is retryable.

        Raises:
            ConvAIError: The error of the last attempt.
        """
        with self.session.memory.reserve() as memory:
            result: T = await self._send(request, Response.decode, memory)
            return result

    def send_raw(
        self,
        request: Request[T],
        *,
        validate: Callable[[Response[T]], object] | None = None,
        memory: Reservation | None = None,
    ) -> Coroutine[Any, Any, Response[T]]:
        """Send a request and return the response without decoding it.

        Args:
            request: The request.
            validate: Is called with the response, in a thread if the body is large. If the request is idempotent, an
                exception that it raises counts as a failed attempt.
            memory: Counts the memory of a large body until the caller releases it; by default until this returns.

        Raises:
            ConvAIError: The error of the last attempt, including those of ``validate``.
        """
        if validate is None:
            return self._send(request, None, memory)

        def read(response: Response[T]) -> Response[T]:
            validate(response)
            return response

        return self._send(request, read, memory)

    async def _send(
        self, request: Request[T], read: Callable[[Response[T]], Any] | None, memory: Reservation | None
    ) -> Any:
        """Send a request and return what ``read`` returns for the response; without ``read``, the response."""
        stopwatch = Stopwatch(self.clock)
        may_have_acted = False

        async def attempt() -> Any:
            nonlocal may_have_acted
            try:
                response = await self._send_once(request, stopwatch, memory)
            except NotFoundError as error:
                # An earlier attempt can have deleted it although its response was lost. A proxy that does not know the
                # path says nothing about that.
                if not (request.method == "DELETE" and may_have_acted and error.is_from_service):
                    raise
                response = Response(error.status, error.headers, b"", request.decode)
            except ConvAIError as error:
                may_have_acted = may_have_acted or is_ambiguous(error)
                raise
            # A request that is not idempotent is not sent again because its response cannot be decoded.
            return response if read is None or not request.idempotent else await _read(request, read, response)

        result = await self.run_with_retries(attempt, idempotent=request.idempotent, stopwatch=stopwatch)
        return result if read is None or request.idempotent else await _read(request, read, result)

    @asynccontextmanager
    async def stream_once(self, request: Request[Any], stopwatch: Stopwatch) -> AsyncIterator[StreamedResponse]:
        """Send a request once and yield the response when its headers have arrived.

        Args:
            request: The request.
            stopwatch: The time since the method was called.

        Raises:
            ConvAIError: The request failed; raised before anything is yielded.
        """
        with self.waiting():
            slot = self.limiter.acquire_nowait(self.priority) or await self._wait_for_slot(request, stopwatch)
        try:
            async with AsyncExitStack() as stack:
                yield await self._observe(
                    request, slot, stack.enter_async_context(self.session.stream(request, self.timeout))
                )
        finally:
            self.limiter.release(slot)

    async def open_websocket(self, handshake: Handshake) -> WebSocket:
        """Open a WebSocket, which does not count as a request in flight. The caller closes it.

        A handshake is retried if the service has not acted on it.

        Raises:
            ConvAIError: The error of the last attempt.
        """
        attempt = partial(self.session.open_websocket, handshake, self.timeout)
        return await self.run_with_retries(attempt, idempotent=False)

    async def run_with_retries(
        self, attempt: Callable[[], Awaitable[T]], *, idempotent: bool = True, stopwatch: Stopwatch | None = None
    ) -> T:
        """Return the result of the first attempt that succeeds.

        Args:
            attempt: Does the work once, from the beginning.
            idempotent: Whether doing it twice is safe.
            stopwatch: The time since the method was called; starts now by default.

        Raises:
            ConvAIError: The last attempt's error, with ``attempts`` and ``retry_stop_reason`` filled in.
        """
        self.bind()
        with self.running:
            if self.retry is None:
                return await attempt()
            stopwatch = stopwatch or Stopwatch(self.clock)
            loop = RetryLoop(self.retry, idempotent=idempotent, elapsed=stopwatch.elapsed, sleep=self.sleep)
            return await loop.run(partial(self._retry_after_stall, attempt, self.retry, idempotent=idempotent))

    def bind(self) -> None:
        """Use the running event loop: forget what belongs to one that is closed."""
        if self.session.bind():
            self.limiter.reset()
            self.running.reset()

    async def _retry_after_stall(
        self, attempt: Callable[[], Awaitable[T]], retry: RetryPolicy, *, idempotent: bool
    ) -> T:
        """Make an attempt, and repeat it once if it timed out because the process was stopped."""
        lost = self.running.lost
        try:
            return await attempt()
        except RequestTimeoutError as error:
            if self.running.lost == lost or not retry.should_retry(error, idempotent=idempotent):
                raise
        return await attempt()

    async def _send_once(self, request: Request[T], stopwatch: Stopwatch, memory: Reservation | None) -> Response[T]:
        with self.waiting():
            slot = self.limiter.acquire_nowait(self.priority) or await self._wait_for_slot(request, stopwatch)
        try:
            timeout = self.timeout
            if timeout is not None and self.retry is None:
                timeout -= stopwatch.elapsed()
            return await self._observe(request, slot, self.session.send(request, timeout, memory))
        finally:
            self.limiter.release(slot)

    async def _observe(self, request: Request[Any], slot: Slot, response: Awaitable[AnyResponse]) -> AnyResponse:
        """Wait for a response, log the outcome, and tell the limiter about it."""
        started = time.monotonic()
        try:
            received = await response
        except APIStatusError as error:
            _log(request, started, error)
            self._adapt_limiter(error, slot)
            raise
        except TransportError:
            _log(request, started, None)
            raise
        _log(request, started, received)
        self.limiter.on_success()
        return received

    def _adapt_limiter(self, error: APIStatusError, slot: Slot) -> None:
        if isinstance(error, ConcurrencyLimitError):
            self.limiter.on_rejected(slot, parse_concurrency_limit(error.headers))
        if error.retry_after is not None and error.status in _THROTTLE_STATUSES:
            self.limiter.throttle(error.retry_after)

    async def _wait_for_slot(self, request: Request[Any], stopwatch: Stopwatch) -> Slot:
        time_limit = self.timeout if self.retry is None else self.retry.timeout
        left = None if time_limit is None else max(0.0, time_limit - stopwatch.elapsed())
        bulk = self.priority == "bulk"
        waiting = Stopwatch(self.clock)
        error: ConvAIError
        try:
            slot = await self._acquire_slot(left, waiting)
            if not bulk and left is not None and waiting.elapsed() >= left:
                self.limiter.release(slot)
                raise TimeoutError  # noqa: TRY301 - the same as without a slot
        except ThrottleTooLongError as throttle:
            error = RateLimitError(
                f"{request.method} {request.path} was not sent: the service requested a pause, which lasts for another"
                f" {throttle.seconds:.0f} s, but the time limit of this request is {time_limit:g} s",
                status=429,
                retry_after=throttle.seconds,
            )
        except TimeoutError:
            error = RequestTimeoutError(
                f"{request.method} {request.path} was not sent: it waited {waiting.elapsed():.1f} s for one of"
                f" {self.limiter.limit} slots, which other requests hold (send fewer concurrent requests, or increase"
                " the timeout)",
                ambiguous=False,
            )
        else:
            if bulk:
                stopwatch.exclude(waiting.elapsed())
            return slot
        error.attempts = 0
        raise error

    async def _acquire_slot(self, time_limit: float | None, waiting: Stopwatch) -> Slot:
        """Wait for a slot of the limiter; time in which the process was stopped does not count."""
        while True:
            lost = self.running.lost
            left = None if time_limit is None else max(0.0, time_limit - waiting.elapsed())
            try:
                return await self.limiter.acquire(
                    self.priority, timeout=None if self.priority == "bulk" else left, max_throttle=left
                )
            except TimeoutError:
                if self.running.lost == lost:
                    raise


def _log(
    request: Request[Any], started: float, response: Response[Any] | StreamedResponse | APIStatusError | None
) -> None:
    if not _logger.isEnabledFor(logging.DEBUG):
        return
    facts = {
        "method": request.method,
        "path": request.path,
        "status": None if response is None else response.status,
        "request_id": None if response is None else response.request_id,
        "duration_secs": round(time.monotonic() - started, 6),
    }
    _logger.debug("%(method)s %(path)s: %(status)s in %(duration_secs)s s (%(request_id)s)", facts, extra=facts)


async def _read(request: Request[T], read: Callable[[Response[T]], R], response: Response[T]) -> R:
    """Return what ``read`` returns for a response, whose body it reads in a thread if it is large."""
    try:
        return await run_sync(read, response) if len(response.body) > SMALL_BODY_BYTES else read(response)
    except ConvAIError as error:
        error.attempts = 1
        if isinstance(error, DecodeError):
            error.request = f"{request.method} {request.path}"
        raise
