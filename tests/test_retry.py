from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async import RetryPolicy
from convai_async._transport.status_errors import error_from_response
from convai_async.errors import (
    ConnectionFailedError,
    ConvAIError,
    InvalidArgumentError,
    NotFoundError,
    RequestTimeoutError,
    ResponseTooLargeError,
)
from convai_async.retry import RetryLoop, is_ambiguous

if TYPE_CHECKING:
    from collections.abc import Callable


class Time:
    """A clock that only advances by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def status_error(status: int, **headers: str) -> ConvAIError:
    return error_from_response(
        "GET /", status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", None
    )


async def run(
    policy: RetryPolicy, outcomes: list[ConvAIError | str], *, time: Time | None = None, idempotent: bool = True
) -> str:
    """Run attempts with these outcomes, one after the other."""
    time = time or Time()
    following = iter(outcomes)

    async def attempt() -> str:
        outcome = next(following)
        if isinstance(outcome, ConvAIError):
            raise outcome
        return outcome

    return await RetryLoop(policy, idempotent=idempotent, elapsed=time, sleep=time.sleep).run(attempt)


async def test_first_success_is_returned() -> None:
    assert await run(RetryPolicy(), [status_error(503), status_error(429), "done"]) == "done"


async def test_last_error_is_raised_with_the_number_of_attempts() -> None:
    last = status_error(502)
    with pytest.raises(ConvAIError) as caught:
        await run(RetryPolicy(attempts=3), [status_error(500), status_error(501), last])
    assert caught.value is last
    assert last.attempts == 3
    assert str(last).endswith("[gave up after 3 of 3 attempts]")


async def test_error_of_the_last_attempt_does_not_refer_to_those_of_earlier_attempts() -> None:
    outcomes: list[ConvAIError | str] = [status_error(500) for _ in range(4)]
    with pytest.raises(ConvAIError) as caught:
        await run(RetryPolicy(attempts=4, timeout=None), outcomes)
    assert caught.value is outcomes[-1]
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


async def test_error_that_is_not_retryable_ends_the_attempts() -> None:
    with pytest.raises(NotFoundError) as caught:
        await run(RetryPolicy(), [status_error(503), status_error(404)])
    assert caught.value.attempts == 2
    assert caught.value.retry_stop_reason == ""


async def test_wait_beyond_the_timeout_fails_at_once_and_is_reported() -> None:
    time = Time()
    with pytest.raises(
        ConvAIError, match=r"next wait of 120\.\d s does not fit the retry timeout of 60\.0 s"
    ) as caught:
        await run(RetryPolicy(timeout=60.0), [status_error(429, retry_after="120")], time=time)
    assert time.waits == []
    assert caught.value.attempts == 1


async def test_wait_that_ends_exactly_at_the_timeout_is_made() -> None:
    time = Time()
    policy = RetryPolicy(timeout=60.0, wait_initial=0)
    assert await run(policy, [status_error(429, retry_after="60"), "done"], time=time) == "done"
    assert time.waits == [60.0]


async def test_retry_waits_for_retry_after_even_beyond_wait_max() -> None:
    time = Time()
    await run(RetryPolicy(wait_max=1.0, wait_initial=0.5), [status_error(429, retry_after="7"), "done"], time=time)
    assert 7.0 <= time.waits[0] <= 7.5


async def test_policy_without_a_timeout_is_limited_by_attempts_only() -> None:
    time = Time()
    outcomes: list[ConvAIError | str] = [status_error(429, retry_after="1000") for _ in range(4)]
    assert await run(RetryPolicy(timeout=None), [*outcomes, "done"], time=time) == "done"
    assert time.now >= 4000


@given(st.integers(1, 500), st.floats(0, 10), st.floats(0, 100))
def test_waits_have_jitter_within_their_bounds(attempt: int, initial: float, maximum: float) -> None:
    policy = RetryPolicy(wait_initial=initial, wait_max=maximum)
    bound = min(maximum, initial * 2.0 ** min(attempt - 1, 60))
    assert 0 <= policy.compute_backoff(status_error(503), attempt) <= bound


@pytest.mark.parametrize(("attempt", "bound"), [(1, 1.0), (2, 2.0), (4, 8.0), (9, 20.0)])
def test_longest_wait_doubles_from_attempt_to_attempt(attempt: int, bound: float) -> None:
    waits = [RetryPolicy(wait_initial=1.0).compute_backoff(status_error(503), attempt) for _ in range(500)]
    assert 0.9 * bound <= max(waits) <= bound


def test_waits_differ_from_task_to_task() -> None:
    policy = RetryPolicy(wait_initial=1.0)
    assert len({policy.compute_backoff(status_error(503), 3) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    ("make_error", "repeated"),
    [
        (lambda: status_error(429), True),
        (lambda: status_error(425), True),
        (lambda: ConnectionFailedError("refused", ambiguous=False), True),
        (lambda: ConnectionFailedError("lost"), False),
        (lambda: RequestTimeoutError("slow"), False),
        (lambda: status_error(500), False),
        (lambda: status_error(503), False),
        (lambda: status_error(599), False),
        (lambda: status_error(600), False),
        (lambda: status_error(408), False),
    ],
)
def test_post_is_retried_only_if_the_service_cannot_have_acted_on_it(
    make_error: Callable[[], ConvAIError], *, repeated: bool
) -> None:
    assert RetryPolicy().should_retry(make_error(), idempotent=False) is repeated
    assert RetryPolicy().should_retry(make_error(), idempotent=True) is True
    assert RetryPolicy(retry_non_idempotent=True).should_retry(make_error(), idempotent=False) is True


def test_response_that_is_too_large_is_not_ambiguous() -> None:
    assert not is_ambiguous(ResponseTooLargeError("too large"))


async def test_attempt_that_sent_nothing_does_not_count() -> None:
    error = RequestTimeoutError("no slot was free")
    error.attempts = 0
    with pytest.raises(RequestTimeoutError) as caught:
        await run(RetryPolicy(attempts=2), [status_error(503), error])
    assert caught.value.attempts == 1


async def test_retry_is_logged_with_its_details(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "convai_async")
    error = error_from_response("GET /", 429, {"retry-after": "1.23456"}, b"", "req_1")
    await run(RetryPolicy(wait_initial=0), [error, ConnectionFailedError("lost"), "done"])
    of_status, of_connection = cast("list[Any]", caplog.records)
    assert (of_status.name, of_status.levelname) == ("convai_async", "INFO")
    assert of_status.getMessage() == f"attempt 1 failed, next in 1.23 s: {error}"
    details = [(each.attempt, each.wait_secs, each.status, each.request_id) for each in (of_status, of_connection)]
    assert details == [(1, 1.235, 429, "req_1"), (2, 0, None, None)]


def test_foreign_exceptions_are_not_retried() -> None:
    assert not RetryPolicy().should_retry(RuntimeError("ours to mend"), idempotent=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 0),
        ("attempts", 1.5),
        ("attempts", True),
        ("attempts", None),
        ("timeout", -1.0),
        ("timeout", float("inf")),
        ("timeout", "5"),
        pytest.param("timeout", 10**400, id="huge timeout"),
        ("wait_initial", -0.1),
        pytest.param("wait_initial", 10**400, id="huge wait"),
        ("wait_initial", None),
        ("wait_initial", True),
        ("wait_max", float("nan")),
    ],
)
def test_policy_with_invalid_values_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{name}: ") as caught:
        RetryPolicy(**{name: value})
    assert caught.value.parameter == name


def test_values_at_the_end_of_their_ranges_are_accepted() -> None:
    assert RetryPolicy(attempts=1, timeout=0, wait_initial=0, wait_max=0).attempts == 1


def test_defaults_are_those_of_the_documentation() -> None:
    assert RetryPolicy() == RetryPolicy(
        attempts=5, timeout=60.0, wait_initial=0.5, wait_max=20.0, retry_non_idempotent=False
    )


async def test_attempts_never_exceed_the_policy() -> None:
    for attempts in (1, 2, 5):
        outcomes: list[ConvAIError | str] = [status_error(500) for _ in range(10)]
        with pytest.raises(ConvAIError) as caught:
            await run(RetryPolicy(attempts=attempts, timeout=None), outcomes)
        assert caught.value.attempts == attempts
