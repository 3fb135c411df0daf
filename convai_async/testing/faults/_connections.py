"""Faults of connections, and slow, incomplete or endless bodies."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from convai_async.testing import mp3
from convai_async.testing.connections import ConnectionEnd, cut
from convai_async.testing.faults._kinds import get_body
from convai_async.testing.responses import build_headers

if TYPE_CHECKING:
    from convai_async.testing.faults._kinds import Fault, Proceed


def drop(*, after_acting: bool = False, end: ConnectionEnd = "close") -> Fault:
    """Close the connection without a response.

    ::

        fake.faults.add(faults.drop(end="reset"), operation="get_conversation")
        await client.conversations.get(conversation_id)

    Args:
        after_acting: Whether the service performs the request first.
        end: How the connection ends.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        if after_acting:
            await proceed()
        cut(request.transport, end)
        return web.Response()

    return answer


def truncate(*, share: float = 0.5, chunked: bool = False, end: ConnectionEnd = "close") -> Fault:
    """Close the connection before the body is complete.

    ::

        fake.faults.add(faults.truncate(share=0.9))
        await client.conversations.get(conversation_id)  # detects the incomplete body and retries

    Args:
        share: The fraction of the body to send, 0 to 1.
        chunked: Whether the body is sent in chunks, without a Content-Length.
        end: How the connection ends.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        proper = await proceed()
        whole = get_body(proper)
        response = web.StreamResponse(headers={"content-type": proper.content_type})
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(whole)
        await response.prepare(request)
        await response.write(whole[: int(len(whole) * share)])
        cut(request.transport, end)
        return response

    return answer


def slow_body(*, chunk: int = 1024, pause: float = 0.01) -> Fault:
    """Send the body slowly.

    ::

        fake.faults.add(faults.slow_body(chunk=8192, pause=0.001))
        await client.conversations.get(conversation_id)

    Args:
        chunk: The number of bytes to send at a time.
        pause: The seconds between them.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        proper = await proceed()
        whole = get_body(proper)
        response = web.StreamResponse(headers={"content-type": proper.content_type})
        response.content_length = len(whole)
        await response.prepare(request)
        for start in range(0, len(whole), chunk):
            await response.write(whole[start : start + chunk])
            await asyncio.sleep(pause)
        return response

    return answer


def close_delimited(*, share: float = 1.0) -> Fault:
    """Send the body without a length; it ends when the connection is closed.

    ::

        fake.faults.add(faults.close_delimited(), operation="get_conversation")
        await client.conversations.get(conversation_id)

    Args:
        share: The fraction of the body to send, 0 to 1. A client cannot detect that the rest is missing.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        proper = await proceed()
        whole = get_body(proper)
        head = f"HTTP/1.1 {proper.status} OK\r\ncontent-type: {proper.content_type}\r\nconnection: close\r\n\r\n"
        if request.transport is not None:
            request.transport.write(head.encode() + whole[: int(len(whole) * share)])
            request.transport.close()
        return proper

    return answer


def endless(*, chunk: int = 4096, pause: float = 0.01) -> Fault:
    """Send an endless recording.

    ::

        fake.faults.add(faults.endless(), operation="get_audio")
        async with client.conversations.audio.stream(recorded_id) as audio:
            async for part in audio:
                break  # leaving the block closes the connection

    Args:
        chunk: The number of bytes to send at a time.
        pause: The seconds between them.
    """

    async def answer(request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        response = web.StreamResponse(headers=build_headers() | {"content-type": "audio/mpeg"})
        await response.prepare(request)
        for block in mp3.iter_blocks(sys.maxsize):
            for start in range(0, len(block), chunk):
                await response.write(block[start : start + chunk])
                await asyncio.sleep(pause)
        return response

    return answer


def latency(seconds: float) -> Fault:
    """Delay the response.

    ::

        fake.faults.add(faults.latency(60))
        with pytest.raises(RequestTimeoutError):
            await once.with_options(timeout=0.05).conversations.get(conversation_id)

    Args:
        seconds: The delay.
    """

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await proceed()

    return answer
