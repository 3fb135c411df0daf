from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from invalid_values import HALF_SURROGATE

from convai_async import endpoints
from convai_async.endpoints import JSONBody
from convai_async.errors import DecodeError, InvalidArgumentError


def test_circular_json_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidArgumentError, match=r"^json: "):
        endpoints.request("POST", "/x", json=circle)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"a": 1.5}, "a: cannot be sent in a query: its type is float"),
        ({"a": 2**63}, r"a: must be a whole number, -\d+ or more, got a huge number"),
        ({"a": -(2**63)}, r"a: must be a whole number, -\d+ or more, got a huge number"),
        ({"a": [b"x"]}, "a: cannot be sent in a query: its type is bytes"),
        ({"a": HALF_SURROGATE}, "a: contains half a surrogate pair, which UTF-8 cannot encode"),
        ({"a": datetime(2026, 1, 1)}, r"a: 2026-01-01T00:00:00 has no time zone: add one"),  # noqa: DTZ001
    ],
)
def test_query_value_that_cannot_be_encoded_is_refused(query: Any, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{problem}"):
        endpoints.request("GET", "/x", query=query)


def test_query_encodes_numbers_booleans_datetimes_and_lists() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
    query = {"a": [2**63 - 1, 1 - 2**63], "b": True, "c": False, "d": moment, "e": (), "f": None, "g": "ü"}
    assert endpoints.request("GET", "/x", query=query).query == (
        ("a", str(2**63 - 1)),
        ("a", str(1 - 2**63)),
        ("b", "true"),
        ("c", "false"),
        ("d", "1767225600"),
        ("g", "ü"),
    )


def test_custom_request_has_method_path_query_body_and_idempotence() -> None:
    call = endpoints.request("patch", "/v1/convai/tags/t 1", query={"a": [1, 2], "b": None}, json={"title": "x"})
    assert (call.method, call.path, call.query) == ("PATCH", "/v1/convai/tags/t%201", (("a", "1"), ("a", "2")))
    assert call.body == JSONBody(b'{"title":"x"}')
    assert call.idempotent is False
    assert endpoints.request("PUT", "/x").idempotent is True
    assert endpoints.request("POST", "/x", idempotent=True).idempotent is True


@pytest.mark.parametrize("path", ["", "v1/x", "https://evil.example/v1", "/v1?x=1", "/v1#x", "/v1\n"])
def test_invalid_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^path: "):
        endpoints.request("GET", path)


def test_json_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^json: "):
        endpoints.request("POST", "/x", json=object())


def test_custom_request_decodes_any_json() -> None:
    decode = endpoints.request("GET", "/x").decode
    assert decode(b'{"a": [1]}') == {"a": [1]}
    assert decode(b"") is None
    for broken in (b"{", b"<html>", b"\xff", b'{"a":' * 100_000):
        with pytest.raises(DecodeError) as caught:
            decode(broken)
        assert caught.value.body == broken
