"""Send a recording from an object store to a player, which asks for ranges of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from convai_async.errors import StorageError

if TYPE_CHECKING:
    from convai_async.archive import StoredObject

_READ_BYTES = 1024 * 1024
"""Bytes of one request to the store. A player that pauses keeps no connection to the store open."""


async def send_object(request: web.Request, recording: StoredObject, content_type: str) -> web.StreamResponse | None:
    """Send an object, or the part of it in the Range header, as `web.FileResponse` does a file.

    Args:
        request: The request.
        recording: The object.
        content_type: Its media type.

    Returns:
        The response; None if the object does not exist.

    Raises:
        StorageError: The store cannot be reached, or does not allow to read the object.
    """
    size = await recording.get_size()
    if size is None:
        return None
    try:
        wanted = range(size)[request.http_range]
    except ValueError:  # a malformed range
        wanted = range(0)
    is_part = hdrs.RANGE in request.headers
    if is_part and not wanted:
        return web.Response(
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers={hdrs.CONTENT_RANGE: f"bytes */{size}"}
        )
    response = web.StreamResponse(status=HTTPStatus.PARTIAL_CONTENT if is_part else HTTPStatus.OK)
    response.headers.update({hdrs.CONTENT_TYPE: content_type, hdrs.ACCEPT_RANGES: "bytes"})
    response.content_length = len(wanted)
    if is_part:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        await _write(request, response, recording, wanted)
    await response.write_eof()
    return response


async def _write(request: web.Request, response: web.StreamResponse, recording: StoredObject, wanted: range) -> None:
    for start in range(wanted.start, wanted.stop, _READ_BYTES):
        try:
            data = await recording.read(start, min(start + _READ_BYTES, wanted.stop))
        except StorageError:  # it is too late for another status: the player sees that the rest is missing
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError from None
        await response.write(data)
