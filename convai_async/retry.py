"""Decide when to retry a request and how long to wait, and run the retries.

tenacity runs the loop, and `RetryPolicy` contains the rules. This module knows exceptions, not HTTP.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import msgspec
import tenacity

from convai_async._support.validate import validate_integer, validate_optional, validate_seconds
from convai_async.errors import APIStatusError, ConvAIError, TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_logger = logging.getLogger("convai_async")
_REQUEST_TIMEOUT = 408
_FIRST_SERVER_ERROR = 500


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to retry a request, how often, and how long to wait before each retry.

    These are retried: responses with status 408, 409, 425, 429 or 5xx, refused and dropped connections, timeouts and
    bodies that end early. If the request is idempotent, responses that are not the expected document, such as a login
    page with status 200, are retried too.

    The waits grow exponentially with full jitter: the n-th wait is a random number of seconds from 0 to
    ``wait_initial * 2**(n - 1)``, at most ``wait_max``. If the service sends a ``Retry-After``, the wait is at least
    that long. If the next wait would exceed ``timeout``, the error is raised immediately.

    Attributes:
        attempts: The maximum number of requests, including the first; 5 by default, 1 disables retries. aiohttp itself
            sends a GET once more if its connection is dropped before a response arrives; that does not count.
        timeout: The time in seconds from the method call within which the last attempt may start; 60 by default, None
            means no limit. Waiting for one of the client's ``max_concurrency`` slots counts, except for bulk requests.
            Time in which the process was stopped or its event loop was blocked does not count, nor does an attempt that
            timed out because of it.
        wait_initial: The maximum of the first wait in seconds; 0.5 by default.
        wait_max: The maximum of a wait in seconds, if the service does not ask for more; 20 by default.
        retry_non_idempotent: Whether to retry requests that are not idempotent, such as a POST, also if the service may
            have acted on them: after a timeout, a dropped connection or a 5xx. False by default.

    Raises:
        InvalidArgumentError: A value is not a number, or is out of range.
    """

    attempts: int = 5
    timeout: float | None = 60.0
    wait_initial: float = 0.5
    wait_max: float = 20.0
    retry_non_idempotent: bool = False

    def __post_init__(self) -> None:
        """Check that the values are numbers in their ranges."""
        validate_integer("attempts", self.attempts, 1)
        validate_optional(validate_seconds, "timeout", self.timeout)
        validate_seconds("wait_initial", self.wait_initial)
        validate_seconds("wait_max", self.wait_max)

    def should_retry(self, error: BaseException, *, idempotent: bool) -> bool:
        """Return whether to send a request again that failed with this error.

        Args:
            error: The exception that the attempt raised.
            idempotent: Whether sending the request twice is safe.
        """
        if not isinstance(error, ConvAIError) or not error.retryable:
            return False
        return idempotent or self.retry_non_idempotent or not is_ambiguous(error)

    def compute_backoff(self, error: BaseException, attempt: int) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            error: The exception that the last attempt raised.
            attempt: The number of the last attempt, from 1.
        """
        bound = min(self.wait_max, self.wait_initial * 2.0 ** min(attempt - 1, 60))
        jitter = random.uniform(0, bound)  # noqa: S311 - not for cryptography
        retry_after = error.retry_after if isinstance(error, APIStatusError) else None
        # With jitter, so that clients which were asked for the same wait do not all return at once.
        return jitter if retry_after is None else retry_after + min(jitter, self.wait_initial)


def is_ambiguous(error: ConvAIError) -> bool:
    """Return whether the service may have acted on the request that failed with this error."""
    if isinstance(error, TransportError):
        return error.ambiguous
    return isinstance(error, APIStatusError) and (
        error.status == _REQUEST_TIMEOUT or error.status >= _FIRST_SERVER_ERROR
    )


class RetryLoop:
    """Makes attempts with tenacity, until one succeeds or the policy allows no more.

    Args:
        policy: The rules for retries.
        idempotent: Whether making the attempt twice is safe.
        elapsed: Returns the seconds that count for ``policy.timeout``.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        idempotent: bool,
        elapsed: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._policy = policy
        self._idempotent = idempotent
        self._elapsed = elapsed
        self._sleep = sleep
        self._sent = 0

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the first attempt that succeeds.

        Raises:
            ConvAIError: The last attempt's error, with ``attempts`` and ``retry_stop_reason`` filled in.
        """
        # Without tenacity, which would add a fifth to the CPU time of a request. Most first attempts succeed.
        try:
            return await attempt()
        except ConvAIError as error:
            self._count(error)
            if not self._should_retry(error):
                raise
            failed = [error]

        async def next_attempt() -> T:
            if failed:
                raise failed.pop()  # tenacity counts it as its first attempt
            try:
                return await attempt()
            except ConvAIError as error:
                self._count(error)
                raise

        # Outside of `except`: the error of a later attempt must not have that of the first one as its context.
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(self._should_retry),
            wait=self._compute_wait,
            stop=self._should_stop,
            sleep=self._sleep,
            before_sleep=_log_retry,
            retry_error_callback=self._give_up,
        )
        result: T = await retrying(next_attempt)
        return result

    def _count(self, error: ConvAIError) -> None:
        self._sent += error.attempts > 0  # 0: it got no slot, so nothing was sent
        error.attempts = self._sent

    def _should_retry(self, error: BaseException) -> bool:
        return self._policy.should_retry(error, idempotent=self._idempotent)

    def _compute_wait(self, state: tenacity.RetryCallState) -> float:
        return self._policy.compute_backoff(_get_error(state), state.attempt_number)

    def _should_stop(self, state: tenacity.RetryCallState) -> bool:
        if state.attempt_number >= self._policy.attempts:
            return True
        return self._policy.timeout is not None and self._elapsed() + state.upcoming_sleep > self._policy.timeout

    def _give_up(self, state: tenacity.RetryCallState) -> NoReturn:
        error = _get_error(state)
        error.retry_stop_reason = f"gave up after {self._sent} of {self._policy.attempts} attempts"
        if state.attempt_number < self._policy.attempts:
            error.retry_stop_reason += (
                f": {self._elapsed():.1f} s have passed and the next wait of {state.upcoming_sleep:.1f} s"
                f" does not fit the retry timeout of {self._policy.timeout} s"
            )
        raise error


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = _get_error(state)
    facts = {
        "attempt": state.attempt_number,
        "wait_secs": round(state.upcoming_sleep, 3),
        "status": error.status if isinstance(error, APIStatusError) else None,
        "request_id": error.request_id if isinstance(error, APIStatusError) else None,
    }
    _logger.info(
        "attempt %d failed, next in %.2f s: %s", state.attempt_number, state.upcoming_sleep, error, extra=facts
    )


def _get_error(state: tenacity.RetryCallState) -> ConvAIError:
    error: ConvAIError = cast("Any", state.outcome).exception()
    return error
