"""Connections that break, and bodies that come slowly, in part or without an end."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from convai_async.testing import mp3
from convai_async.testing.faults._kinds import body_of
from convai_async.testing.replies import headers_of_every_reply

if TYPE_CHECKING:
    from convai_async.testing.faults._kinds import Fault, Proceed

End = Literal["close", "reset", "half-close"]
"""How a connection ends: with FIN (``"close"``), with RST (``"reset"``), or with only the server's side closed."""


def drop(*, after_acting: bool = False, end: End = "close") -> Fault:
    """End the connection without a reply.

    ::

        fake.faults.add(faults.drop(end="reset"), operation="get_conversation")
        await client.conversations.get(conversation_id)

    Args:
        after_acting: Whether the service carries out the request first.
        end: How the connection ends.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        if after_acting:
            await proceed()
        _cut(request, end)
        return web.Response()

    return answer


def truncate(*, share: float = 0.5, chunked: bool = False, end: End = "close") -> Fault:
    """End the connection within the body.

    ::

        fake.faults.add(faults.truncate(share=0.9))
        await client.conversations.get(conversation_id)  # notices that the first reply was not whole

    Args:
        share: How much of the body arrives, 0 to 1.
        chunked: Whether the reply has no Content-Length.
        end: How the connection ends.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        proper = await proceed()
        whole = body_of(proper)
        reply = web.StreamResponse(headers={"content-type": proper.content_type})
        if chunked:
            reply.enable_chunked_encoding()
        else:
            reply.content_length = len(whole)
        await reply.prepare(request)
        await reply.write(whole[: int(len(whole) * share)])
        _cut(request, end)
        return reply

    return answer


def slow_body(*, chunk: int = 1024, pause: float = 0.01) -> Fault:
    """Send the body slowly, also that of a recording.

    ::

        fake.faults.add(faults.slow_body(chunk=8192, pause=0.001))
        await client.conversations.get(conversation_id)

    Args:
        chunk: Bytes at a time.
        pause: Seconds between them.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        proper = await proceed()
        whole = body_of(proper)
        reply = web.StreamResponse(headers={"content-type": proper.content_type})
        reply.content_length = len(whole)
        await reply.prepare(request)
        for start in range(0, len(whole), chunk):
            await reply.write(whole[start : start + chunk])
            await asyncio.sleep(pause)
        return reply

    return answer


def close_delimited(*, share: float = 1.0) -> Fault:
    """Send the body without a length, so that only the end of the connection says where it ends.

    ::

        fake.faults.add(faults.close_delimited(), operation="get_conversation")
        await client.conversations.get(conversation_id)

    Args:
        share: How much of the body arrives, 0 to 1; a client cannot tell that the rest is missing.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        proper = await proceed()
        whole = body_of(proper)
        head = f"HTTP/1.1 {proper.status} OK\r\ncontent-type: {proper.content_type}\r\nconnection: close\r\n\r\n"
        if request.transport is not None:
            request.transport.write(head.encode() + whole[: int(len(whole) * share)])
            request.transport.close()
        return proper

    return answer


def endless(*, chunk: int = 4096, pause: float = 0.01) -> Fault:
    """Send bytes that never end, as a recording.

    ::

        fake.faults.add(faults.endless(), operation="get_audio")
        async with client.conversations.audio.stream(recorded_id) as audio:
            async for part in audio:
                break  # leaving early closes the connection

    Args:
        chunk: Bytes at a time.
        pause: Seconds between them.
    """

    async def answer(request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        reply = web.StreamResponse(headers=headers_of_every_reply() | {"content-type": "audio/mpeg"})
        await reply.prepare(request)
        for block in mp3.blocks(sys.maxsize):
            for start in range(0, len(block), chunk):
                await reply.write(block[start : start + chunk])
                await asyncio.sleep(pause)
        return reply

    return answer


def latency(seconds: float) -> Fault:
    """Answer later.

    ::

        fake.faults.add(faults.latency(0.5))
        with pytest.raises(RequestTimeoutError):
            await once.with_options(timeout=0.05).conversations.get(conversation_id)

    Args:
        seconds: How much later.
    """

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await proceed()

    return answer


def _cut(request: web.Request, end: End) -> None:
    transport = request.transport
    if transport is None:
        return
    if end == "half-close":
        transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
    elif end == "reset":
        # To close a socket that lingers for no time is to reset its connection.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
