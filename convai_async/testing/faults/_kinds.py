"""The types of faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

Proceed = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Proceed], Awaitable[web.StreamResponse]]
"""Answers a request; ``await proceed()`` returns the service's own reply."""


def get_body(reply: web.StreamResponse) -> bytes:
    """Return the body of a reply.

    Raises:
        TypeError: The reply is streamed.
    """
    if isinstance(reply, web.Response) and isinstance(reply.body, bytes):
        return reply.body
    raise TypeError("this fault does not support streamed replies; use drop() or status()")
