"""Send a request until it succeeds, or it is clear that it won't: limiter and retry around one request."""

from __future__ import annotations

import copy
import logging
import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.to_thread import run_sync

from convai_async._support.clock import RunningClock
from convai_async._transport.limiter import ThrottleTooLongError
from convai_async._transport.memory import UNCOUNTED_BYTES
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
from convai_async.retry import RetryPolicy, is_ambiguous, repeat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from convai_async._transport.limiter import ConcurrencyLimiter, Priority, Slot
    from convai_async._transport.memory import Reservation
    from convai_async._transport.session import Session
    from convai_async._transport.streamed_response import StreamedResponse

T = TypeVar("T")
R = TypeVar("R")
Reply = TypeVar("Reply", bound="Response[Any] | StreamedResponse")

_logger = logging.getLogger("convai_async")

_THROTTLE_STATUSES = frozenset({429, 503})
"""Their Retry-After applies to all requests of the client."""
_SHORTEST_TIMEOUT = 0.001
"""Seconds for a request whose time is used up."""


class Stopwatch:
    """Measure how long ago something was asked for."""

    __slots__ = ("_clock", "started")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.started = clock()

    def elapsed(self) -> float:
        return self._clock() - self.started


class Engine:
    """Sends the requests of all resources: limiter and retries around a session.

    Args:
        session: Sends a request once.
        limiter: Bounds the requests in flight.
        retry: When to retry; None disables retries.
        timeout: Seconds for one attempt; of a stream, seconds without a byte. None disables it. Without retry,
            waiting for a slot counts.

    Attributes:
        priority: Whether to wait for a slot behind interactive requests, and without a bound: ``"bulk"``.
        running: Counts the seconds in which the process was running.
        clock: Returns seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self, session: Session, limiter: ConcurrencyLimiter, retry: RetryPolicy | None, timeout: float | None
    ) -> None:
        self.session = session
        self.limiter = limiter
        self.retry = retry
        self.timeout = timeout
        self.priority: Priority = "interactive"
        self.running = RunningClock()
        self.clock: Callable[[], float] = self.running
        self.sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    def with_options(self, **options: Any) -> Engine:
        """Return an engine with other ``retry``, ``timeout`` or ``priority`` that shares everything else."""
        engine = copy.copy(self)
        for name, value in options.items():
            setattr(engine, name, value)
        return engine

    async def send(self, request: Request[T]) -> T:
        """Send a request and return its typed result.

        A reply that does not decode is a failed attempt, if the request is idempotent and the error retryable.

        Raises:
            ConvAIError: Any of them; after the attempts that the retry policy allows.
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
        """Send a request and return the reply, not decoded yet.

        Args:
            request: What to send.
            validate: Called with a reply, in a thread if that is large; what it raises is the failure of an attempt, if
                the request is idempotent.
            memory: Counts the memory of a large body until the caller releases it; by default until this returns.

        Raises:
            ConvAIError: As `send`, less `DecodeError`, and what ``validate`` raises.
        """
        if validate is None:
            return self._send(request, None, memory)

        def validated(response: Response[T]) -> Response[T]:
            validate(response)
            return response

        return self._send(request, validated, memory)

    async def _send(
        self, request: Request[T], read: Callable[[Response[T]], Any] | None, memory: Reservation | None
    ) -> Any:
        """Send a request and return what ``read`` makes of the reply, or the reply."""
        asked = Stopwatch(self.clock)
        perhaps_done = False

        async def attempt() -> Any:
            nonlocal perhaps_done
            try:
                response = await self._send_once(request, asked, memory)
            except NotFoundError as error:
                # An attempt before may have deleted it, and only its reply was lost.
                if not (request.method == "DELETE" and perhaps_done):
                    raise
                response = Response(error.status, error.headers, b"", request.decode)
            except ConvAIError as error:
                perhaps_done = perhaps_done or is_ambiguous(error)
                raise
            # What is not idempotent is not sent again because its reply cannot be read.
            return response if read is None or not request.idempotent else await _read(request, read, response)

        result = await self.run_with_retries(attempt, idempotent=request.idempotent, asked=asked)
        return result if read is None or request.idempotent else await _read(request, read, result)

    @asynccontextmanager
    async def stream_once(self, request: Request[Any], asked: Stopwatch) -> AsyncIterator[StreamedResponse]:
        """Send a request once and yield the reply when its headers are there.

        Args:
            request: What to send.
            asked: Started when it was asked for.

        Raises:
            ConvAIError: As `send_raw`, before anything is yielded.
        """
        slot = self.limiter.acquire_nowait(self.priority) or await self._wait_for_slot(request, asked)
        try:
            async with AsyncExitStack() as stack:
                yield await self._observe(
                    request, slot, stack.enter_async_context(self.session.stream(request, self.timeout))
                )
        finally:
            self.limiter.release(slot)

    async def run_with_retries(
        self, attempt: Callable[[], Awaitable[T]], *, idempotent: bool = True, asked: Stopwatch | None = None
    ) -> T:
        """Return the result of the first attempt that succeeds.

        Args:
            attempt: Does the work once, from the beginning.
            idempotent: Whether doing it twice is safe.
            asked: Started when the work was asked for; now by default.

        Raises:
            ConvAIError: What the last attempt raised, with ``attempts`` and ``retry_stop_reason`` filled in.
        """
        if self.session.bind():
            self.limiter.reset()
            self.running.reset()
        if self.retry is None:
            return await attempt()
        asked = asked or Stopwatch(self.clock)
        lost = self.running.lost
        with self.running:
            try:
                return await attempt()
            except ConvAIError as error:
                if not self.retry.should_retry(error, idempotent=idempotent):
                    raise
                first_error = None if self._stalled(error, lost) else error
            # Outside the except block: a later error is not raised while handling the first.
            return await repeat(
                partial(self._retry_after_stall, attempt, self.retry, idempotent=idempotent),
                first_error,
                self.retry,
                idempotent=idempotent,
                elapsed=asked.elapsed,
                sleep=self.sleep,
            )

    async def _retry_after_stall(
        self, attempt: Callable[[], Awaitable[T]], retry: RetryPolicy, *, idempotent: bool
    ) -> T:
        """Make an attempt, and a second one if the first timed out because the process was stopped."""
        lost = self.running.lost
        try:
            return await attempt()
        except RequestTimeoutError as error:
            if not self._stalled(error, lost) or not retry.should_retry(error, idempotent=idempotent):
                raise
        return await attempt()

    def _stalled(self, error: ConvAIError, lost: float) -> bool:
        return isinstance(error, RequestTimeoutError) and self.running.lost > lost

    async def _send_once(self, request: Request[T], asked: Stopwatch, memory: Reservation | None) -> Response[T]:
        slot = self.limiter.acquire_nowait(self.priority) or await self._wait_for_slot(request, asked)
        try:
            timeout = self.timeout
            if timeout is not None and self.retry is None:
                timeout = max(timeout - asked.elapsed(), _SHORTEST_TIMEOUT)
            return await self._observe(request, slot, self.session.send(request, timeout, memory))
        finally:
            self.limiter.release(slot)

    async def _observe(self, request: Request[Any], slot: Slot, reply: Awaitable[Reply]) -> Reply:
        """Wait for a reply, log what became of the request, and let the limiter learn from it."""
        started = time.monotonic()
        try:
            received = await reply
        except APIStatusError as error:
            self._log(request, started, error)
            self._learn(error, slot)
            raise
        except TransportError:
            self._log(request, started, None)
            raise
        self._log(request, started, received)
        self.limiter.on_success()
        return received

    def _log(
        self, request: Request[Any], started: float, reply: Response[Any] | StreamedResponse | APIStatusError | None
    ) -> None:
        if not _logger.isEnabledFor(logging.DEBUG):
            return
        facts = {
            "method": request.method,
            "path": request.path,
            "status": None if reply is None else reply.status,
            "request_id": None if reply is None else reply.request_id,
            "duration_secs": round(time.monotonic() - started, 6),
        }
        _logger.debug("%(method)s %(path)s: %(status)s in %(duration_secs)s s (%(request_id)s)", facts, extra=facts)

    def _learn(self, error: APIStatusError, slot: Slot) -> None:
        if isinstance(error, ConcurrencyLimitError):
            self.limiter.on_rejected(slot, parse_concurrency_limit(error.headers))
        if error.retry_after is not None and error.status in _THROTTLE_STATUSES:
            self.limiter.throttle(error.retry_after)

    async def _wait_for_slot(self, request: Request[Any], asked: Stopwatch) -> Slot:
        may_take = self.timeout if self.retry is None else self.retry.timeout
        left = None if may_take is None else max(0.0, may_take - asked.elapsed())
        bulk = self.priority == "bulk"
        waiting = Stopwatch(self.clock)
        error: ConvAIError
        try:
            slot = await self.limiter.acquire(self.priority, timeout=None if bulk else left, max_throttle=left)
            if not bulk and left is not None and waiting.elapsed() >= left:
                self.limiter.release(slot)
                raise TimeoutError  # noqa: TRY301 - as when no slot came
        except ThrottleTooLongError as pause:
            error = RateLimitError(
                f"{request.method} {request.path} was not sent: the service asked for a pause that lasts another"
                f" {pause.seconds:.0f} s, and this request may take {may_take:g} s",
                status=429,
                retry_after=pause.seconds,
            )
        except TimeoutError:
            error = RequestTimeoutError(
                f"{request.method} {request.path} was not sent: it waited {waiting.elapsed():.1f} s for one of"
                f" {self.limiter.limit} slots, which other requests hold (send fewer at the same time, or give them"
                " more time)",
                ambiguous=False,
            )
        else:
            if bulk:
                asked.started += waiting.elapsed()
            return slot
        error.attempts = 0
        raise error


async def _read(request: Request[T], read: Callable[[Response[T]], R], response: Response[T]) -> R:
    try:
        return await run_sync(read, response) if len(response.body) > UNCOUNTED_BYTES else read(response)
    except ConvAIError as error:
        error.attempts = 1
        if isinstance(error, DecodeError):
            error.request = f"{request.method} {request.path}"
        raise
