"""Recordings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from convai_async.testing import mp3
from convai_async.testing.responses import build_headers, not_found
from convai_async.testing.routes import route

if TYPE_CHECKING:
    from convai_async.testing.state import State

_LARGEST_WHOLE_RECORDING = 4 * 1024 * 1024
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")


@route("GET HEAD", "/conversations/{conversation_id}/audio")
async def get_audio(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Send a recording, or the part that a Range header requests."""
    conversation_id = request.match_info["conversation_id"]
    if not state.corpus.has_audio(conversation_id):
        raise not_found("audio")
    size = state.audio_bytes
    if size is None:
        size = mp3.compute_size(state.corpus.duration(conversation_id))
    headers = build_headers() | {"content-type": "audio/mpeg"}
    if not state.audio_ranges:
        return await _send(state, request, headers, 0, size)
    headers["accept-ranges"] = "bytes"
    wanted = _parse_range(request, size)
    if wanted is None:
        return await _send(state, request, headers, 0, size)
    if wanted.start >= wanted.stop:
        return web.Response(status=416, headers=headers | {"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return await _send(state, request, headers, wanted.start, wanted.stop, status=206)


def _parse_range(request: web.Request, size: int) -> range | None:
    """Return the requested bytes; an empty range if it cannot be satisfied, None for the whole recording.

    Multiple and malformed ranges are ignored, as RFC 9110 allows, and so are ranges with If-Range, because recordings
    have no validator.
    """
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or "if-range" in request.headers or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


async def _send(  # noqa: PLR0913, PLR0917 - the parts of a response
    state: State, request: web.Request, headers: dict[str, str], start: int, stop: int, status: int = 200
) -> web.StreamResponse:
    length = stop - start
    if request.method == "HEAD":
        known = {"content-length": str(length)} if state.audio_content_length else {}
        return web.Response(status=status, headers=headers | known)
    if state.audio_content_length and length <= _LARGEST_WHOLE_RECORDING:
        return web.Response(body=b"".join(mp3.iter_blocks(stop, start)), status=status, headers=headers)
    response = web.StreamResponse(status=status, headers=headers)
    if state.audio_content_length:
        response.content_length = length
    await response.prepare(request)
    for block in mp3.iter_blocks(stop, start):
        await response.write(block)
    return response
