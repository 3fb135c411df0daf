from __future__ import annotations

import copy
import pickle
import time
from email.utils import formatdate

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async import errors
from convai_async._transport.status_errors import error_from_response, parse_retry_after
from convai_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConcurrencyLimitError,
    ConflictError,
    ConnectionFailedError,
    ConvAIError,
    DecodeError,
    FieldProblem,
    InvalidArgumentError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    ValidationError,
)


def build_error(status: int, detail: object = None, **headers: str) -> APIStatusError:
    body = b"" if detail is None else msgspec.json.encode(detail)
    return error_from_response("GET /v1/x", status, headers, body, "req_1")


@pytest.mark.parametrize(
    ("status", "cls", "retryable"),
    [
        (400, BadRequestError, False),
        (401, AuthenticationError, False),
        (402, APIStatusError, False),
        (403, PermissionDeniedError, False),
        (404, NotFoundError, False),
        (408, APIStatusError, True),
        (409, ConflictError, True),
        (418, APIStatusError, False),
        (422, ValidationError, False),
        (425, APIStatusError, True),
        (429, RateLimitError, True),
        (500, ServerError, True),
        (503, ServerError, True),
        (599, ServerError, True),
    ],
)
def test_status_determines_exception_and_retryable(status: int, cls: type[APIStatusError], *, retryable: bool) -> None:
    error = build_error(status)
    assert type(error) is cls
    assert error.retryable is retryable
    assert error.status == status
    assert error.attempts == 1


@pytest.mark.parametrize("code", ["concurrent_limit_exceeded", "too_many_concurrent_requests"])
def test_concurrency_code_raises_concurrency_limit_error(code: str) -> None:
    assert type(build_error(429, {"detail": {"code": code}})) is ConcurrencyLimitError
    assert type(build_error(429, {"detail": {"status": code, "message": "x"}})) is ConcurrencyLimitError
    assert type(build_error(429, {"detail": {"code": "rate_limit_exceeded"}})) is RateLimitError


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"detail": {"type": "t", "code": "c", "message": "m", "status": "s"}}, "c", "m"),
        ({"detail": {"status": "s", "message": "m"}}, "s", "m"),
        ({"detail": {"type": "t"}}, "t", ""),
        ({"detail": "Not Found"}, None, "Not Found"),
        ({"status": "s", "message": "m"}, "s", "m"),
        ({"detail": {"code": 5, "message": None}}, None, ""),
        ({"detail": None}, None, ""),
        ([], None, ""),
        ("text", None, ""),
    ],
)
def test_error_body_of_any_format_gives_code_and_message(body: object, code: str | None, message: str) -> None:
    error = build_error(500, body)
    assert (error.code, error.message) == (code, message)


def test_422_has_the_rejected_parameters() -> None:
    error = build_error(422, {"detail": [{"loc": ["query", "page_size"], "msg": "too large", "type": "le"}, "text"]})
    assert isinstance(error, ValidationError)
    assert error.errors == (FieldProblem(("query", "page_size"), "too large", "le"),)
    assert "query.page_size: too large" in str(error)


def test_html_error_page_is_only_in_the_body() -> None:
    error = error_from_response("GET /v1/x", 502, {}, b"<html>Bad Gateway</html>", None)
    assert str(error) == "GET /v1/x returned 502"
    assert error.body == b"<html>Bad Gateway</html>"


def test_message_has_no_escape_sequences_and_limited_length() -> None:
    error = build_error(400, {"detail": "\x1b[31mred\nline" + "x" * 10_000})
    assert "\x1b" not in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 700
    assert error.message.startswith("\x1b[31mred")


def test_request_id_comes_from_body_or_header() -> None:
    assert build_error(500, {"detail": {"request_id": "body_1"}}).request_id == "body_1"
    assert build_error(500).request_id == "req_1"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": formatdate(1_000_060, usegmt=True)}, 60.0),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0.0),
        ({"retry-after": "Mon, 99 Foo 2026 00:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_formats(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers, now=1_000_000) == seconds


def test_a_date_in_retry_after_is_relative_to_the_clock_of_the_service() -> None:
    headers = {"date": formatdate(1_000_000, usegmt=True), "retry-after": formatdate(1_000_060, usegmt=True)}
    assert parse_retry_after(headers) == 60


@given(st.text(), st.floats())
def test_any_retry_after_gives_a_finite_wait_or_none(value: str, now: float) -> None:
    seconds = parse_retry_after({"retry-after": value}, now=time.time())
    assert seconds is None or 0 <= seconds < float("inf")
    seconds = parse_retry_after({"retry-after-ms": str(now)})
    assert seconds is None or 0 <= seconds < float("inf")


@given(st.binary())
def test_any_error_body_is_read(body: bytes) -> None:
    assert error_from_response("GET /", 500, {}, body, None).body == body


def every_error() -> list[ConvAIError]:
    made: list[ConvAIError] = [
        errors.ConfigurationError("no key"),
        InvalidArgumentError("page_size", "too large"),
        errors.ClientClosedError("closed"),
        ConnectionFailedError("refused", ambiguous=False),
        RequestTimeoutError("slow"),
        errors.IncompleteBodyError("short"),
        DecodeError("Expected `int`", path="$.x", body=b"{}"),
        PaginationError("again"),
        build_error(422, {"detail": [{"loc": ["query"], "msg": "m", "type": "t"}]}),
    ]
    made += [
        build_error(status, {"detail": {"code": "c"}}, **{"retry-after": "2"}) for status in (400, 401, 404, 429, 503)
    ]
    return made


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_error_survives_pickling_and_copying(error: ConvAIError) -> None:
    error.attempts, error.retry_stop_reason = 3, "gave up after 3 of 3 attempts"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert twin.__dict__ == error.__dict__
    assert str(error).endswith("[gave up after 3 of 3 attempts]")


def test_exceptions_have_one_root_and_are_in_the_docstring() -> None:
    assert errors.__doc__ is not None
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)]
    for cls in classes:
        assert issubclass(cls, ConvAIError)
        assert cls.__name__ in errors.__doc__
        assert cls.__doc__


def test_nested_decoder_messages_become_one_path() -> None:
    error = DecodeError.from_message("Expected `int`, got `str` - at `$.x` - at `$.us[1]` - at `$.d[...]`", b"{}")
    assert error.path == "$.d[...].us[1].x"
    assert "Expected `int`, got `str`" in str(error)
    assert DecodeError.from_message("Input data was truncated", b"{").path == "$"


def test_retry_after_date_without_zone_is_gmt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert parse_retry_after({"retry-after": "Thu Jan  1 00:00:10 1970"}, now=0) == 10
    finally:
        monkeypatch.undo()
        time.tzset()


def test_error_code_is_one_short_line() -> None:
    body = msgspec.json.encode({"detail": {"code": "a\n\x1b[2J" + "b" * 100_000, "message": "m"}})
    text = str(error_from_response("GET /x", 400, {}, body, None))
    assert text.isprintable()
    assert len(text) < 2000


def test_only_a_missing_conversation_may_appear_later() -> None:
    assert "can take a moment" in str(error_from_response("GET /v1/convai/conversations/conv_1", 404, {}, b"", None))
    assert "can take a moment" not in str(error_from_response("GET /v1/convai/agents/agent_1/link", 404, {}, b"", None))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"detail": {"status": "conversation_not_found", "message": "not found"}}', True),
        (b'{"detail": "Not Found"}', True),
        (b'{"message": "no route matched"}', False),
        (b'["detail"]', False),
        (b"<html>404</html>", False),
        (b"[" * 100_000, False),
        (b"", False),
    ],
)
def test_not_found_error_tells_the_service_from_a_proxy(body: bytes, *, expected: bool) -> None:
    error = error_from_response("GET /v1/x", 404, {}, body, None)
    assert isinstance(error, NotFoundError)
    assert error.is_from_service is expected
