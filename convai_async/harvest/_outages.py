"""A harvest lasts through the night: when the service cannot be reached, it waits."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

import anyio

from convai_async.errors import ConvAIError, RateLimitError, TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from convai_async.client import ConvAIClient

T = TypeVar("T")

_logger = logging.getLogger("convai_async")

_LONGEST_SECS = 15 * 60.0
_PAUSE_SECS = 5.0


class Outages:
    """Tells a service that cannot be reached from a request that fails by itself, and sits out the former.

    Args:
        client: Whom to ask.
        stop: Set when nobody wants to wait any longer.
        clock: Tells seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        client: ConvAIClient,
        stop: anyio.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._client = client.with_options(retry=None)
        self._stop = stop
        self._clock = clock
        self._sleep = sleep
        self._one_waits = anyio.Lock()
        self._last_ended_at = 0.0

    async def keep_trying(
        self, attempt: Callable[[], Awaitable[T]], alone: Callable[[ConvAIError], T] | None = None
    ) -> T:
        """Try until it succeeds; sit out when the service cannot be reached, or asks for a long pause.

        Args:
            attempt: What to try.
            alone: Makes the result when it fails although the service can be reached; None raises the error.
        """
        began = self._clock()
        while True:
            started = self._clock()
            try:
                return await attempt()
            except RateLimitError as error:
                pause = _PAUSE_SECS if error.retry_after is None else error.retry_after
                if self._stop.is_set() or self._clock() - began + pause > _LONGEST_SECS:
                    if alone is None:
                        raise
                    return alone(error)
                await self._sleep(pause)
            except TransportError as error:
                if await self._sat_out(started, error):
                    continue
                if alone is None:
                    raise
                return alone(error)

    async def _sat_out(self, since: float, error: TransportError) -> bool:
        """Wait until the service can be reached; tell whether it could not be, at some time since then.

        Raises:
            TransportError: ``error``, when that takes a quarter of an hour, or when it is asked to stop.
        """
        async with self._one_waits:
            if self._last_ended_at > since:
                return True
            began = self._clock()
            while not await self._reachable():
                if self._clock() == began:
                    _logger.warning("the harvest waits up to %d min for the service: %s", _LONGEST_SECS // 60, error)
                if self._stop.is_set() or self._clock() - began > _LONGEST_SECS:
                    raise error
                await self._sleep(_PAUSE_SECS)
                self._last_ended_at = self._clock()
            return self._last_ended_at > since

    async def _reachable(self) -> bool:
        try:
            await self._client.conversations.list(page_size=1)
        except TransportError:
            return False
        except ConvAIError:
            pass  # an answer, whatever it says
        return True
