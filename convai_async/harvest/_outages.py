"""Wait for a service that cannot be reached, and report the wait."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from msgspec import UNSET, UnsetType

from convai_async import endpoints
from convai_async.errors import (
    APIStatusError,
    ConnectionFailedError,
    ConvAIError,
    DecodeError,
    RateLimitError,
    ServerError,
    TransportError,
)
from convai_async.harvest._stopping import StopRequested

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import anyio

    from convai_async._transport.engine import Engine

T = TypeVar("T")

_logger = logging.getLogger("convai_async")

_LONGEST_SECS = 15 * 60.0
_LONGEST_FIRST_SECS = 10.0
"""How long to wait when a run's first request cannot connect; the last attempt may take another ten."""
_PAUSE_SECS = 5.0
_FIRST_TIMEOUT = 10.0
_LONGEST_PROBE_GAP_SECS = 65.0
"""If more time passes between two probes, the process was stopped or the machine suspended."""
_SHORTEST_ANNOUNCED_SECS = 10.0
_GATEWAY_STATUSES = frozenset({502, 503, 504})

OUTAGE_ERRORS = (RateLimitError, TransportError, ServerError, DecodeError)
"""The errors that `OutageGuard.retry_through_outage` handles."""


class OutageGuard:
    """Retries requests through an outage of the service, and tells an outage from a single failing request.

    During an outage the service cannot be reached, or a gateway (502, 503, 504) or another server responds in its
    place. A small request (a probe) tells whether there is an outage.

    Args:
        engine: Sends the requests.
        stop: Set to end waiting.
        notify: Is called with the problem and the Unix time at which the wait ends at the latest, when a wait begins or
            that time changes, and with ``(None, None)`` when the wait is over.
        clock: Returns seconds.
        sleep: Waits for seconds; that of the engine by default.
    """

    def __init__(
        self,
        engine: Engine,
        stop: anyio.Event,
        notify: Callable[[str | None, int | None], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._engine = engine
        self._first = engine.with_options(retry=None, timeout=_FIRST_TIMEOUT)
        # Interactive, so that waiting for a slot behind the harvest's own requests does not look like an outage.
        self._probe = engine.with_options(retry=None, priority="interactive")
        self._stop = stop
        self._notify = notify
        self._clock = clock
        self._sleep = sleep or engine.sleep
        self._reached = False
        self._one_probes = asyncio.Lock()
        self._ended_at = 0.0
        self._gave_up = False
        self._waiting = 0
        self._waiting_since = 0.0

    async def retry_through_outage(
        self, attempt: Callable[[Engine], Awaitable[T]], on_isolated_failure: Callable[[ConvAIError], T]
    ) -> T:
        """Return the result of an attempt, which is repeated after each outage and each requested pause.

        Args:
            attempt: Sends the request with the engine that is passed to it.
            on_isolated_failure: Returns the result for a request that fails although the service can be reached.

        Raises:
            ConnectionFailedError: The first request of the run could not connect for 10 s.
            TransportError, ServerError: The outage lasted for 15 minutes.
            StopRequested: The run was stopped while it would have to wait.
            ConvAIError: Any other error of the attempt.
        """
        if not self._reached:
            first = await self._reach(attempt)
            if not isinstance(first, UnsetType):
                return first
        paused = 0.0
        while True:
            began = self._clock()
            try:
                return await attempt(self._engine)
            except RateLimitError as error:
                pause = _PAUSE_SECS if error.retry_after is None else error.retry_after
                paused += pause
                if paused > _LONGEST_SECS:
                    return on_isolated_failure(error)
                await self._pause(pause, error)
            except (TransportError, ServerError, DecodeError) as error:
                if not _may_be_outage(error) or not await self._outage_ended(began, error):
                    return on_isolated_failure(error)

    async def _reach(self, attempt: Callable[[Engine], Awaitable[T]]) -> T | UnsetType:
        """Send the first request without retries; return UNSET if it failed although a connection could be made.

        Raises:
            ConnectionFailedError: No connection could be made for 10 s.
            StopRequested: As `retry_through_outage`.
        """
        waited = 0.0
        with ExitStack() as announced:
            while True:
                began = self._clock()
                try:
                    result = await attempt(self._first)
                except ConnectionFailedError as error:
                    if error.ambiguous:
                        break
                    if not error.retryable or waited >= _LONGEST_FIRST_SECS:
                        raise
                    if self._stop.is_set():
                        raise StopRequested from error
                    if not waited:
                        announced.enter_context(self._announced(error, _LONGEST_FIRST_SECS))
                    await self._sleep(_PAUSE_SECS)
                    waited += min(self._clock() - began, _LONGEST_PROBE_GAP_SECS)
                except OUTAGE_ERRORS:
                    break
                else:
                    self._reached = True
                    return result
        self._reached = True
        return UNSET

    async def _pause(self, seconds: float, error: ConvAIError) -> None:
        if self._stop.is_set():
            raise StopRequested from error
        if seconds < _SHORTEST_ANNOUNCED_SECS:
            await self._sleep(seconds)
        else:
            with self._announced(error, seconds):
                await self._sleep(seconds)

    async def _outage_ended(self, since: float, error: ConvAIError) -> bool:
        """Wait for the end of an outage. Return False if the service can be reached, so that there was none."""
        async with self._one_probes:
            if self._ended_at > since:
                return True
            if self._stop.is_set():
                raise StopRequested from error
            if await self._is_reachable():
                self._gave_up = False
                return False
            if not self._gave_up and await self._wait(error):
                return True
            self._gave_up = True
            if isinstance(error, DecodeError):
                return False
            raise error

    async def _wait(self, error: ConvAIError) -> bool:
        """Probe until the service can be reached; return False after 15 minutes."""
        waited = 0.0
        with self._announced(error, _LONGEST_SECS):
            while waited < _LONGEST_SECS:
                last_probe = self._clock()
                await self._sleep(_PAUSE_SECS)
                if self._stop.is_set():
                    raise StopRequested from error
                if await self._is_reachable():
                    self._ended_at = self._clock()
                    return True
                passed = self._clock() - last_probe
                waited += min(passed, _LONGEST_PROBE_GAP_SECS)
                if passed > _LONGEST_PROBE_GAP_SECS:
                    self._report_wait(error, _LONGEST_SECS - waited)
        return False

    async def _is_reachable(self) -> bool:
        try:
            await self._probe.send(endpoints.list_conversations(page_size=1))
        except ConvAIError as error:
            return not _may_be_outage(error)  # any other error comes from the service itself
        return True

    @contextmanager
    def _announced(self, error: ConvAIError, seconds: float) -> Iterator[None]:
        """Report the wait when the first request begins to wait, and its end when no request waits any more."""
        self._waiting += 1
        if self._waiting == 1:
            self._waiting_since = self._clock()
            self._report_wait(error, seconds)
        try:
            yield
        finally:
            self._waiting -= 1
            if self._waiting == 0:
                _logger.warning("the harvest waited for %.0f s", self._clock() - self._waiting_since)
                self._notify(None, None)

    def _report_wait(self, error: ConvAIError, seconds: float) -> None:
        until = int(time.time() + seconds)
        _logger.warning(
            "the harvest waits for the service, until %s UTC at the latest: %s",
            datetime.fromtimestamp(until, UTC).strftime("%H:%M:%S"),
            error,
        )
        self._notify(str(error), until)


def _may_be_outage(error: ConvAIError) -> bool:
    if isinstance(error, APIStatusError):
        return error.status in _GATEWAY_STATUSES
    return isinstance(error, TransportError | DecodeError)
