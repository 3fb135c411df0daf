"""What faults are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

Proceed = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Proceed], Awaitable[web.StreamResponse]]
"""Answers a request; ``proceed()`` gives the service's own reply."""


def body_of(reply: web.StreamResponse) -> bytes:
    """Return the body of a reply that is not streamed."""
    if isinstance(reply, web.Response) and isinstance(reply.body, bytes):
        return reply.body
    raise TypeError("this fault needs a reply that the service does not stream; use drop() or status()")
