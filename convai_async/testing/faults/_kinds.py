"""The types of faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

Proceed = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Proceed], Awaitable[web.StreamResponse]]
"""Answers a request; ``await proceed()`` returns the service's own response."""


def get_body(response: web.StreamResponse) -> bytes:
    """Return the body of a response.

    Raises:
        TypeError: The response is streamed.
    """
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        return response.body
    raise TypeError("this fault does not support streamed responses; use drop() or status()")
