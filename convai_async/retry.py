"""When to try again, and how long to wait before.

tenacity runs the loop; this module decides. It knows errors, not HTTP.
"""

from __future__ import annotations

import logging
import math
import random
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import tenacity

from convai_async.errors import APIStatusError, ConvAIError, InvalidArgumentError, TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_logger = logging.getLogger("convai_async")
_AMBIGUOUS_STATUSES = frozenset({408, *range(500, 600)})


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to retry a request, how often, and how long to wait in between.

    Retried are 408, 409, 425, 429 and 5xx replies, refused and dropped connections, timeouts, bodies that end
    early, and, when the request is idempotent, replies that are something else than the expected document, such as
    a login page with status 200. Waits grow exponentially with full jitter: the n-th is drawn evenly between 0 and
    ``wait_initial * 2**(n - 1)`` seconds, ``wait_max`` at most. A longer ``Retry-After`` of the service is
    obeyed. When the next wait would exceed ``timeout``, the error is raised at once.

    Attributes:
        attempts: The most requests, including the first, 5 by default; 1 disables retries.
        timeout: Seconds from the call of the method within which the last attempt may start, 60 by default; None
            disables it. Waiting for one of the client's ``max_concurrency`` slots counts, except for bulk requests.
            Time in which the process was stopped or its event loop blocked does not count, and an attempt that timed
            out because of that is repeated without counting.
        wait_initial: The longest first wait in seconds, 0.5 by default.
        wait_max: The longest wait in seconds, 20 by default, unless the service asks for more.
        retry_non_idempotent: Whether a request that is not idempotent (a POST) is repeated too when it is unknown
            whether the service acted on it: after a timeout, a dropped connection or a 5xx.
    """

    attempts: int = 5
    timeout: float | None = 60.0
    wait_initial: float = 0.5
    wait_max: float = 20.0
    retry_non_idempotent: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise InvalidArgumentError("attempts", f"must be a whole number, at least 1, got {self.attempts!r}")
        for name in ("timeout", "wait_initial", "wait_max"):
            value = getattr(self, name)
            if name == "timeout" and value is None:
                continue
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InvalidArgumentError(name, f"must be a number of seconds, 0 or more, got {value!r}")

    def should_retry(self, error: BaseException, *, idempotent: bool) -> bool:
        """Return whether a request that ended with this error is worth, and safe, another try."""
        if not isinstance(error, ConvAIError) or not error.retryable:
            return False
        return idempotent or self.retry_non_idempotent or not is_ambiguous(error)

    def compute_backoff(self, error: BaseException, attempt: int) -> float:
        """Return the seconds to wait after the n-th attempt ended with this error."""
        bound = min(self.wait_max, self.wait_initial * 2.0 ** min(attempt - 1, 60))
        jitter = random.uniform(0, bound)  # noqa: S311 - spreads load, hides nothing
        retry_after = error.retry_after if isinstance(error, APIStatusError) else None
        # On top of the service's wait, a little jitter: or everyone whom it asked comes back at once.
        return jitter if retry_after is None else retry_after + min(jitter, self.wait_initial)


def is_ambiguous(error: ConvAIError) -> bool:
    """Tell whether the service may have acted on the request that ended with this error."""
    if isinstance(error, TransportError):
        return error.ambiguous
    return isinstance(error, APIStatusError) and error.status in _AMBIGUOUS_STATUSES


async def repeat(  # noqa: PLR0913 - the clock and the sleep are here for the tests
    attempt: Callable[[], Awaitable[T]],
    first_error: ConvAIError | None,
    policy: RetryPolicy,
    *,
    idempotent: bool,
    elapsed: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> T:
    """Repeat a request whose first attempt failed, and return the result of the attempt that succeeds.

    The first attempt is made outside: what never fails should not pay for the machinery of retrying.

    Args:
        attempt: Sends the request once more.
        first_error: What the first attempt raised; None when it does not count.
        policy: How often, how long and when.
        idempotent: Whether repeating the request is safe.
        elapsed: Returns the seconds since the request was asked for.
        sleep: Waits for seconds.

    Raises:
        ConvAIError: The last attempt's error, with ``attempts`` and ``retry_stop_reason`` filled in.
    """
    sent = 0

    async def next_attempt() -> T:
        nonlocal sent, first_error
        try:
            if first_error is not None:
                raise first_error
            return await attempt()
        except ConvAIError as error:
            first_error = None
            sent += error.attempts > 0  # 0 is an attempt that got no slot
            error.attempts = sent
            raise

    def wait(state: tenacity.RetryCallState) -> float:
        return policy.compute_backoff(_error_of(state), state.attempt_number)

    def out_of_time(state: tenacity.RetryCallState) -> bool:
        return policy.timeout is not None and elapsed() + state.upcoming_sleep > policy.timeout

    def stop(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= policy.attempts or out_of_time(state)

    def give_up(state: tenacity.RetryCallState) -> Any:
        error = _error_of(state)
        error.retry_stop_reason = f"gave up after {sent} of {policy.attempts} attempts"
        if state.attempt_number < policy.attempts:
            error.retry_stop_reason += (
                f": {elapsed():.1f} s have passed and the next wait of {state.upcoming_sleep:.1f} s"
                f" does not fit the retry timeout of {policy.timeout} s"
            )
        raise error

    def log(state: tenacity.RetryCallState) -> None:
        error = _error_of(state)
        facts = {
            "attempt": state.attempt_number,
            "wait_secs": round(state.upcoming_sleep, 3),
            "status": error.status if isinstance(error, APIStatusError) else None,
            "request_id": error.request_id if isinstance(error, APIStatusError) else None,
        }
        _logger.info(
            "attempt %d failed, next in %.2f s: %s", state.attempt_number, state.upcoming_sleep, error, extra=facts
        )

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(lambda error: policy.should_retry(error, idempotent=idempotent)),
        wait=wait,
        stop=stop,
        sleep=sleep,
        before_sleep=log,
        retry_error_callback=give_up,
    )
    result: T = await retrying(next_attempt)
    return result


def _error_of(state: tenacity.RetryCallState) -> ConvAIError:
    error = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(error, ConvAIError):  # the retry condition lets nothing else through
        raise TypeError(f"not an error of a request: {error!r}")
    return error
