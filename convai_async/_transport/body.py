"""Read the body of a response into memory, within limits."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from typing import TYPE_CHECKING

from convai_async._transport.memory import SMALL_BODY_BYTES
from convai_async.errors import ResponseTooLargeError, TransportError

if TYPE_CHECKING:
    from convai_async._transport.memory import Reservation
    from convai_async._transport.streamed_response import StreamedResponse

_BOMB_MIN_BYTES = 16 * 1024 * 1024
_BOMB_RATIO = 100
"""A body is a decompression bomb if it is larger than this multiple of its compressed size and the size above.

JSON compresses 5 to 30 times.
"""
_MAX_ERROR_BODY_BYTES = 1024 * 1024


async def read_body(
    response: StreamedResponse, max_bytes: int, memory: Reservation, deadline: asyncio.Timeout
) -> bytes:
    """Read a whole body.

    Args:
        response: The response.
        max_bytes: The largest size, decompressed.
        memory: Grows with the body.
        deadline: Is moved by the time in which the body waits for memory.

    Raises:
        ResponseTooLargeError: The body is larger than ``max_bytes``, or a decompression bomb.
        TransportError: The body is not complete.
    """
    body = io.BytesIO()
    size = 0
    while chunk := await response.read_chunk():
        size += len(chunk)
        if size > max_bytes:
            raise ResponseTooLargeError(
                f"{response.request}: the response is larger than max_response_bytes, {max_bytes:,}"
            )
        if size > _BOMB_MIN_BYTES and size > _BOMB_RATIO * response.raw_bytes:
            raise ResponseTooLargeError(
                f"{response.request}: the response is a decompression bomb:"
                f" {response.raw_bytes:,} bytes decompress to more than {size:,}"
            )
        if size > SMALL_BODY_BYTES and not memory.try_grow(size):
            left = suspend(deadline)
            await memory.grow(size)
            if left is not None:
                deadline.reschedule(asyncio.get_running_loop().time() + left)
        body.write(chunk)
    return body.getvalue()


async def read_error_body(response: StreamedResponse, timeout: float | None) -> bytes:
    """Read the body of a response with an error status, as far as possible.

    A broken, slow or endless body is cut off: the status says more than the body.

    Args:
        response: The response.
        timeout: Seconds for the whole body; None means no limit.
    """
    body = bytearray()
    with suppress(TransportError, TimeoutError):
        async with response.running.timeout(timeout):
            while len(body) < _MAX_ERROR_BODY_BYTES and (chunk := await response.read_chunk()):
                body += chunk
    return bytes(body[:_MAX_ERROR_BODY_BYTES])


def suspend(deadline: asyncio.Timeout) -> float | None:
    """Disable a deadline, and return the seconds that were left, or None if there was no deadline."""
    ends = deadline.when()
    deadline.reschedule(None)
    return None if ends is None else ends - asyncio.get_running_loop().time()
