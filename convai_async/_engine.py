"""Send a call until it succeeds, or it is clear that it won't: limiter and retry around one request."""

from __future__ import annotations

import logging
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from convai_async.calls import Call, Response
from convai_async.errors import (
    APIStatusError,
    ConcurrencyLimitError,
    ConvAIError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    TransportError,
)
from convai_async.limits import LongPauseError
from convai_async.retry import RetryPolicy, ambiguous, repeat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from convai_async._session import Session, StreamedReply
    from convai_async.limits import ConcurrencyLimiter, Slot

T = TypeVar("T")
R = TypeVar("R", bound="Response[Any] | StreamedReply")

_logger = logging.getLogger("convai_async")

_STATUSES_OF_LOAD = frozenset({429, 503})
"""Whose Retry-After is meant for everybody."""


class Engine:
    """What every resource sends its calls with.

    Args:
        session: Sends a call once.
        limiter: Bounds the requests in flight.
        retry: When to try again; None is never.
        timeout: Seconds for one attempt; of a stream, seconds without a byte. None is no bound.
        clock: Tells seconds.
        sleep: Waits for seconds.
    """

    def __init__(  # noqa: PLR0913 - the clock and the sleep are here for the tests
        self,
        session: Session,
        limiter: ConcurrencyLimiter,
        retry: RetryPolicy | None,
        timeout: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.session = session
        self.limiter = limiter
        self.retry = retry
        self.timeout = timeout
        self.clock = clock
        self.sleep = sleep

    async def send(self, call: Call[T]) -> T:
        """Send a call and return its typed result.

        Raises:
            ConvAIError: Any of them; after the attempts that the retry policy allows.
        """
        results: list[T] = []

        def decode(response: Response[T]) -> None:
            results.append(response.decode())

        await self.send_raw(call, validate=decode)
        return results[-1]

    async def send_raw(self, call: Call[T], *, validate: Callable[[Response[T]], object] | None = None) -> Response[T]:
        """Send a call and return the reply, not decoded yet.

        Args:
            call: What to send.
            validate: Called with each reply, as part of the attempt: a retryable error that it raises is retried.

        Raises:
            ConvAIError: As `send`, less `DecodeError`; and what ``validate`` raises.
        """
        perhaps_done = False

        async def attempt() -> Response[T]:
            nonlocal perhaps_done
            try:
                response = await self._send_once(call)
                if validate is not None:
                    validate(response)
            except NotFoundError as error:
                # An attempt before may have deleted it, and only its reply was lost.
                if call.method == "DELETE" and perhaps_done:
                    return Response(error.status, error.headers, b"", call.decode)
                raise
            except DecodeError as error:
                error.request = error.request or f"{call.method} {call.path}"
                raise
            except ConvAIError as error:
                perhaps_done = perhaps_done or ambiguous(error)
                raise
            return response

        return await self.retrying(attempt, idempotent=call.idempotent)

    @asynccontextmanager
    async def stream(self, call: Call[Any]) -> AsyncIterator[StreamedReply]:
        """Send a call and yield the reply when its headers are there; up to then, attempts are repeated.

        The slot of the limiter is held until the block ends.

        Raises:
            ConvAIError: As `send_raw`, before anything is yielded.
        """
        async with AsyncExitStack() as stack:
            yield await self.retrying(lambda: stack.enter_async_context(self.stream_once(call)))

    @asynccontextmanager
    async def stream_once(self, call: Call[Any]) -> AsyncIterator[StreamedReply]:
        """Send a call once and yield the reply when its headers are there.

        Raises:
            ConvAIError: As `send_raw`, before anything is yielded.
        """
        slot = await self._acquire(call)
        try:
            async with AsyncExitStack() as stack:
                yield await self._observe(
                    call, slot, stack.enter_async_context(self.session.stream(call, self.timeout))
                )
        finally:
            self.limiter.release(slot)

    async def retrying(self, attempt: Callable[[], Awaitable[T]], *, idempotent: bool = True) -> T:
        """Return the result of the first attempt that succeeds.

        Args:
            attempt: Does the work once, from the beginning.
            idempotent: Whether doing it twice is safe.

        Raises:
            ConvAIError: What the last attempt raised, with ``attempts`` and ``gave_up`` filled in.
        """
        started = self.clock()
        try:
            return await attempt()
        except ConvAIError as error:
            if self.retry is None or not self.retry.repeats(error, idempotent=idempotent):
                raise
            first_error = error
        # Outside the except block: a later error is no error in the handling of the first.
        return await repeat(
            attempt,
            first_error,
            self.retry,
            idempotent=idempotent,
            started=started,
            clock=self.clock,
            sleep=self.sleep,
        )

    async def _send_once(self, call: Call[T]) -> Response[T]:
        slot = await self._acquire(call)
        try:
            return await self._observe(call, slot, self.session.send(call, self.timeout))
        finally:
            self.limiter.release(slot)

    async def _observe(self, call: Call[Any], slot: Slot, reply: Awaitable[R]) -> R:
        """Wait for a reply, log what became of the request, and let the limiter learn from it."""
        started = self.clock()
        try:
            received = await reply
        except APIStatusError as error:
            self._log(call, started, error)
            self._learn(error, slot)
            raise
        except TransportError:
            self._log(call, started, None)
            raise
        self._log(call, started, received)
        self.limiter.succeeded()
        return received

    def _log(
        self, call: Call[Any], started: float, reply: Response[Any] | StreamedReply | APIStatusError | None
    ) -> None:
        if not _logger.isEnabledFor(logging.DEBUG):
            return
        facts = {
            "method": call.method,
            "path": call.path,
            "status": None if reply is None else reply.status,
            "request_id": None if reply is None else reply.request_id,
            "duration_secs": round(self.clock() - started, 6),
        }
        _logger.debug("%(method)s %(path)s: %(status)s in %(duration_secs)s s (%(request_id)s)", facts, extra=facts)

    def _learn(self, error: APIStatusError, slot: Slot) -> None:
        if isinstance(error, ConcurrencyLimitError):
            self.limiter.refused(slot)
        if error.retry_after is not None and error.status in _STATUSES_OF_LOAD:
            self.limiter.pause(error.retry_after)

    async def _acquire(self, call: Call[Any]) -> Slot:
        patience = self.timeout if self.retry is None else self.retry.timeout
        try:
            return await self.limiter.acquire(patience)
        except LongPauseError as pause:
            raise RateLimitError(
                f"{call.method} {call.path} was not sent: the service asked for a pause that lasts another"
                f" {pause.seconds:.0f} s, and this request may take {patience:g} s",
                status=429,
                retry_after=pause.seconds,
            ) from None
