"""A fault that lets some requests through and holds the others, so that a test can stop a client in the middle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.faults import Proceed


class Gate:
    """``fake.faults.add(gate, operation="get_conversation", times=None)``. Any thread may change ``allowed``.

    Attributes:
        allowed: How many more requests are answered.
        held: How many requests wait.
    """

    def __init__(self, allowed: float) -> None:
        self.allowed = allowed
        self.held = 0

    async def __call__(self, request: web.Request, proceed: Proceed) -> web.StreamResponse:
        """Answer a request when it is allowed."""
        self.held += 1
        try:
            while self.allowed <= 0:
                await asyncio.sleep(0.02)
            self.allowed -= 1
        finally:
            self.held -= 1
        return await proceed()
