"""The replies of the service: JSON, and errors in all the shapes that its bodies have."""

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
    """Raised by a handler to answer with an error.

    Args:
        reply: The error.
    """

    def __init__(self, reply: web.Response) -> None:
        super().__init__(reply.status)
        self.reply = reply


def headers_of_every_reply() -> dict[str, str]:
    """Return the headers that the service adds to each reply."""
    number = next(_request_numbers)
    return {"request-id": f"req_{number:08x}", "x-trace-id": f"trace_{number:08x}", "x-region": "fake"}


def json_reply(document: Any, status: int = 200) -> web.Response:
    """Return a document."""
    return raw_reply(msgspec.json.encode(document), status)


def page_reply(name: str, items: Sequence[Any], query: Mapping[str, Any], **more: Any) -> web.Response:
    """Return the page of a list that a request asks for; its cursor is the number of the page's first item.

    Args:
        name: What the service calls the items.
        items: All of them.
        query: The request's parameters, with ``page_size`` and ``cursor``.
        **more: What else the reply says.
    """
    first = query["cursor"]
    after = first + query["page_size"]
    has_more = after < len(items)
    page = {name: items[first:after], "next_cursor": str(after) if has_more else None, "has_more": has_more}
    return json_reply(page | more)


def raw_reply(body: bytes, status: int = 200) -> web.Response:
    """Return bytes that are JSON already."""
    return web.Response(body=body, status=status, content_type="application/json", headers=headers_of_every_reply())


def compress(request: web.Request, reply: web.StreamResponse) -> None:
    """Compress a JSON reply with gzip if the client accepts it."""
    if (
        "gzip" in request.headers.get("accept-encoding", "")
        and isinstance(reply, web.Response)
        and not reply.prepared
        and isinstance(reply.body, bytes)
        and len(reply.body) >= _SMALLEST_COMPRESSED
        and reply.content_type == "application/json"
        and "content-encoding" not in reply.headers
    ):
        reply.body = gzip.compress(reply.body, compresslevel=1, mtime=0)
        reply.headers.update({"content-encoding": "gzip", "vary": "accept-encoding"})


def error_body(shape: int, status: int, code: str, message: str) -> Any:
    """Return an error's JSON in one of the shapes 1 to 5 that the service's bodies have.

    1 is ``{"detail": {"type", "code", "message", "status", "request_id"}}``, 2 the older ``{"detail": {"status",
    "message"}}``, 3 the list of a 422, 4 ``{"detail": "text"}``, and 5 ``{"status", "message"}``.
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


def error_reply(status: int, code: str, message: str, *, shape: int = 1) -> web.Response:
    """Return an error in one of the five shapes of JSON."""
    return json_reply(error_body(shape, status, code, message), status)


def not_found(what: str) -> RefusedError:
    """Return the service's 404, to be raised."""
    return RefusedError(error_reply(404, f"{what}_not_found", f"There is no such {what}."))


def invalid(location: Sequence[str], message: str) -> RefusedError:
    """Return the service's 422 for a parameter such as ``("query", "page_size")``, to be raised."""
    problem = {"loc": location, "msg": message, "type": "value_error"}
    return RefusedError(json_reply({"detail": [problem]}, 422))
