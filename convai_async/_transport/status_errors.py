"""Turn a response whose status is not a success into an exception that says what happened and what to do."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from convai_async._support.text import to_short_line
from convai_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConcurrencyLimitError,
    ConflictError,
    FieldProblem,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: ValidationError,
    429: RateLimitError,
}
_CONCURRENCY_CODES = frozenset({"concurrent_limit_exceeded", "too_many_concurrent_requests"})
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_RETRYABLE_STATUSES = frozenset({408, 425})
_NOT_FOUND = 404
_FIRST_SERVER_ERROR = 500

_STATUS_ADVICE = {
    **dict.fromkeys(
        REDIRECT_STATUSES,
        "a redirect that is not followed, because it is circular or leads to another origin, which must not get the"
        " key: check base_url and region",
    ),
    401: "check the API key, and that it belongs to the region",
    403: "the key does not have a permission that this request needs",
    422: "correct the parameters named here",
}
_CODE_ADVICE = {
    "quota_exceeded": "the workspace has no credits left: add credits, then try again",
    "missing_permissions": "give the key the permission named here in the workspace's settings",
}
_MAX_RETRY_AFTER_SECS = 24 * 60 * 60.0
_MAX_RESET_SECS = 1e9
"""A larger number is a time in Unix seconds."""
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class _Detail(NamedTuple):
    """The details of an error, from a body in any of the service's shapes."""

    code: str | None = None
    message: str = ""
    request_id: str | None = None
    problems: tuple[FieldProblem, ...] = ()


def error_from_response(
    request: str, status: int, headers: Mapping[str, str], body: bytes, request_id: str | None
) -> APIStatusError:
    """Return the exception for a response whose status is not a success.

    Args:
        request: The request's method and path, for the text.
        status: The response's HTTP status.
        headers: Its headers; names in any case.
        body: Its body: JSON in one of five shapes, or other text.
        request_id: The service's id of the request, from the headers.
    """
    detail = _read_detail(body)
    cls = _CLASSES.get(status) or (ServerError if status >= _FIRST_SERVER_ERROR else APIStatusError)
    if cls is RateLimitError and detail.code in _CONCURRENCY_CODES:
        cls = ConcurrencyLimitError
    request_id = detail.request_id or request_id
    retry_after = parse_retry_after(headers)
    if retry_after is None and cls is RateLimitError:
        retry_after = parse_rate_limit_reset(headers)
    error = cls(
        _build_message(request, status, detail, request_id),
        status=status,
        code=detail.code,
        message=detail.message,
        request_id=request_id,
        retry_after=retry_after,
        headers=headers,
        body=body,
    )
    if status in _RETRYABLE_STATUSES:
        error.retryable = True
    if isinstance(error, ValidationError):
        error.errors = detail.problems
    return error


def _build_message(request: str, status: int, detail: _Detail, request_id: str | None) -> str:
    text = f"{request} returned {status}"
    if detail.code:
        text += f" {to_short_line(detail.code)}"
    if detail.message:
        text += f": {to_short_line(detail.message)}"
    advice = _CODE_ADVICE.get(detail.code or "") or _STATUS_ADVICE.get(status)
    if status == _NOT_FOUND and "/conversations/" in request:
        advice = "it was deleted or never existed; a conversation that just ended can take a moment to appear"
    asides = [advice] if advice else []
    if request_id:
        asides.append(f"request_id {request_id}")
    return f"{text} ({'; '.join(asides)})" if asides else text


def _read_detail(body: bytes) -> _Detail:
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _Detail()  # HTML or text from a proxy, which is not useful in a message
    if not isinstance(document, dict):
        return _Detail()
    detail = document.get("detail", document)
    if isinstance(detail, str):
        return _Detail(message=detail)
    if isinstance(detail, list):
        problems = tuple(_read_problem(item) for item in detail if isinstance(item, dict))
        return _Detail(message="; ".join(_format_problem(problem) for problem in problems), problems=problems)
    if not isinstance(detail, dict):
        return _Detail()
    return _Detail(
        code=_read_text(detail, "code") or _read_text(detail, "status") or _read_text(detail, "type"),
        message=_read_text(detail, "message") or "",
        request_id=to_short_line(_read_text(detail, "request_id") or "") or None,
    )


def _read_text(detail: dict[str, Any], name: str) -> str | None:
    value = detail.get(name)
    return value if isinstance(value, str) else None


def _read_problem(item: dict[str, Any]) -> FieldProblem:
    location = item.get("loc")
    steps = location if isinstance(location, list) else []
    return FieldProblem(
        tuple(step for step in steps if isinstance(step, str | int)),
        _read_text(item, "msg") or "",
        _read_text(item, "type") or "",
    )


def _format_problem(problem: FieldProblem) -> str:
    return f"{'.'.join(map(str, problem.location))}: {problem.message}"


def parse_retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds that a response asks the client to wait, or None if it does not ask, or not in a known format.

    The formats are ``retry-after-ms``, and ``Retry-After`` as seconds, with or without a fraction, or as an HTTP date
    (RFC 9110, 10.2.3). A date in the past is 0. The most is a day.

    Args:
        headers: The response's headers; names in any case.
        now: The time in Unix seconds; that of the response's ``Date`` header by default, or the current time.
    """
    seconds = _read_requested_wait(headers, _find_time(headers) if now is None else now)
    return None if seconds is None else min(max(0.0, seconds), _MAX_RETRY_AFTER_SECS)


def _read_requested_wait(headers: Mapping[str, str], now: float) -> float | None:
    milliseconds = _parse_number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _parse_number(value)
    if seconds is not None or value is None:
        return seconds
    moment = _parse_date(value)
    return None if moment is None else moment - now


def _find_time(headers: Mapping[str, str]) -> float:
    """Return the time of the service's clock, since the clock of this machine can be wrong."""
    moment = _parse_date(headers.get("date", ""))
    return time.time() if moment is None else moment


def _parse_date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        # The oldest date format of HTTP has no time zone, and is GMT.
        return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def parse_rate_limit_reset(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds until a rate limit resets, from ``x-ratelimit-reset``, or None.

    The header has seconds from now, or Unix seconds. If ``x-ratelimit-remaining`` is more than 0, the rate limit was
    not the reason for the error.

    Args:
        headers: The response's headers; names in any case.
        now: The time in Unix seconds; that of the response's ``Date`` header by default, or the current time.
    """
    reset = _parse_number(headers.get("x-ratelimit-reset"))
    if reset is None or (_parse_number(headers.get("x-ratelimit-remaining")) or 0) > 0:
        return None
    if reset > _MAX_RESET_SECS:
        reset -= _find_time(headers) if now is None else now
    return min(max(0.0, reset), _MAX_RETRY_AFTER_SECS)


def parse_concurrency_limit(headers: Mapping[str, str]) -> int | None:
    """Return the service's limit on requests in flight, from ``maximum-concurrent-requests``, or None."""
    limit = _parse_number(headers.get("maximum-concurrent-requests"))
    return None if limit is None or not 1 <= limit < math.inf else int(limit)


def _parse_number(text: str | None) -> float | None:
    return float(text) if text is not None and _PLAIN_NUMBER.fullmatch(text) else None
