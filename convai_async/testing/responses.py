"""Builds responses: JSON documents, pages of lists, and errors in every form that the service uses."""

from __future__ import annotations

import gzip
import itertools
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_request_numbers = itertools.count(1)
_SMALLEST_COMPRESSED = 1024


class RefusedError(Exception):
    """Raised by a handler to answer with an error response.

    Args:
        response: The response.
    """

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


def build_headers() -> dict[str, str]:
    """Build the headers that every response has."""
    number = next(_request_numbers)
    return {"request-id": f"req_{number:08x}", "x-trace-id": f"trace_{number:08x}", "x-region": "fake"}


def json_response(document: Any, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return raw_response(msgspec.json.encode(document), status)


def page_response(name: str, items: Sequence[Any], query: Mapping[str, Any], **more: Any) -> web.Response:
    """Return the requested page of a list; the cursor is the index of the first item of a page.

    Args:
        name: The field of the response that holds the items.
        items: All items of the list.
        query: The query parameters, with ``page_size`` and ``cursor``.
        **more: Other fields of the response.
    """
    first = query["cursor"]
    after = first + query["page_size"]
    has_more = after < len(items)
    page = {name: items[first:after], "next_cursor": str(after) if has_more else None, "has_more": has_more}
    return json_response(page | more)


def raw_response(body: bytes, status: int = 200) -> web.Response:
    """Return a JSON response from encoded bytes."""
    return web.Response(body=body, status=status, content_type="application/json", headers=build_headers())


def compress(request: web.Request, response: web.StreamResponse) -> None:
    """Compress a JSON response with gzip if the client accepts it."""
    if (
        "gzip" in request.headers.get("accept-encoding", "")
        and isinstance(response, web.Response)
        and not response.prepared
        and isinstance(response.body, bytes)
        and len(response.body) >= _SMALLEST_COMPRESSED
        and response.content_type == "application/json"
        and "content-encoding" not in response.headers
    ):
        response.body = gzip.compress(response.body, compresslevel=1, mtime=0)
        response.headers.update({"content-encoding": "gzip", "vary": "accept-encoding"})


def build_error_body(shape: int, status: int, code: str, message: str) -> Any:
    """Build the JSON of an error in one of the five forms that the service uses.

    1 is ``{"detail": {"type", "code", "message", "status", "request_id"}}``, 2 the older ``{"detail": {"status",
    "message"}}``, 3 the list of problems of a 422, 4 ``{"detail": "text"}``, and 5 ``{"status", "message"}``.
    """
    shapes: Mapping[int, Any] = {
        1: {
            "detail": {
                "type": "error",
                "code": code,
                "message": message,
                "status": code,
                "request_id": f"req_of_{status}",
            }
        },
        2: {"detail": {"status": code, "message": message}},
        3: {"detail": [{"loc": ["query", "page_size", 0], "msg": message, "type": code}]},
        4: {"detail": message},
        5: {"status": code, "message": message},
    }
    return shapes[shape]


def error_response(status: int, code: str, message: str, *, shape: int = 1) -> web.Response:
    """Return an error response; `build_error_body` describes the shapes."""
    return json_response(build_error_body(shape, status, code, message), status)


def not_found(kind: str) -> RefusedError:
    """Build the exception for a 404, such as ``not_found("tag")``."""
    return RefusedError(error_response(404, f"{kind}_not_found", f"The {kind} does not exist."))


def invalid(location: Sequence[str], message: str) -> RefusedError:
    """Build the exception for a 422 about a parameter, such as ``invalid(("query", "page_size"), message)``."""
    problem = {"loc": location, "msg": message, "type": "value_error"}
    return RefusedError(json_response({"detail": [problem]}, 422))
