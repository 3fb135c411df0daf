"""Requests to any endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from convai_async._support.validate import validate_encodable
from convai_async.endpoints._query import encode_query
from convai_async.endpoints._request import Request, decode_json_body, encode_json_body
from convai_async.errors import InvalidArgumentError

__all__ = ["request"]

_IDEMPOTENT_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})  # RFC 9110, 9.2.2


def request(
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    json: Any = None,
    idempotent: bool | None = None,
) -> Request[Any]:
    """Create a request to any endpoint.

    Args:
        method: The HTTP method.
        path: The absolute path, such as ``"/v1/convai/agents"``.
        query: The query parameters. A list repeats its parameter, None is left out, a datetime becomes unix seconds.
        json: The value to send as JSON; None sends no body.
        idempotent: Whether the request is safe to retry; by default whether its method is idempotent (RFC 9110, 9.2.2).

    Raises:
        InvalidArgumentError: The path does not begin with ``/`` or contains a query, the method is invalid, or a value
            cannot be sent.
    """
    _validate_target(method, path)
    _validate_query_names(query)
    method = method.upper()
    return Request(
        method,
        quote(path, safe="/%:@!$&'()*+,;=~"),
        decode_json_body,
        encode_query(query or {}),
        None if json is None else encode_json_body("json", json),
        method in _IDEMPOTENT_METHODS if idempotent is None else idempotent,
    )


def _validate_target(method: str, path: str) -> None:
    if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
        raise InvalidArgumentError("path", f"must be a path from the root, such as '/v1/convai/agents', got {path!r}")
    if "?" in path or "#" in path:
        raise InvalidArgumentError("path", f"{path!r} contains a query or a fragment: pass query={{...}} instead")
    if not (isinstance(method, str) and method.isascii() and method.isalpha()):
        raise InvalidArgumentError("method", f"must be an HTTP method, such as 'GET', got {method!r}")


def _validate_query_names(query: Mapping[str, Any] | None) -> None:
    if query is not None and not isinstance(query, Mapping):
        raise InvalidArgumentError("query", f"must be a dict of parameters, not {type(query).__name__}")
    for name in query or {}:
        if not isinstance(name, str):
            raise InvalidArgumentError("query", f"{name!r} is not the name of a parameter")
        validate_encodable("query", name)
