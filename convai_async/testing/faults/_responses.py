"""Faults that replace the service's response."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from convai_async.testing.responses import build_headers, error_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convai_async.testing.faults._kinds import Fault, Proceed


def status(
    code: int,
    error: str = "internal_error",
    message: str = "Something failed.",
    *,
    shape: int = 1,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """Answer with an error status.

    ::

        fake.faults.add(faults.status(500), times=2)
        await client.conversations.get(conversation_id)  # the third attempt succeeds

    Args:
        code: The HTTP status.
        error: The service's error code, such as ``"rate_limit_exceeded"``.
        message: The error message.
        shape: The form of the JSON body: 1 for ``{"detail": {"type", "code", "message", "status", "request_id"}}``, 2
            for ``{"detail": {"status", "message"}}``, 3 for the list of problems of a 422, 4 for ``{"detail":
            "text"}``, 5 for ``{"status", "message"}``.
        headers: Additional headers, such as ``{"retry-after": "2"}``.
    """

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        response = error_response(code, error, message, shape=shape)
        response.headers.update(headers or {})
        return response

    return answer


def rate_limited(
    error: str = "rate_limit_exceeded", *, retry_after: float | None = None, form: str = "seconds"
) -> Fault:
    """Answer with a 429.

    ::

        fake.faults.add(faults.rate_limited(retry_after=0.01))
        await client.conversations.get(conversation_id)  # retries after 10 ms

    Args:
        error: The error code: ``rate_limit_exceeded``, ``system_busy``, ``concurrent_limit_exceeded`` or
            ``too_many_concurrent_requests``.
        retry_after: The wait to request, in seconds; None to send no such header.
        form: The header: ``"seconds"`` or ``"date"`` for Retry-After, ``"milliseconds"`` for retry-after-ms.
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        headers: dict[str, str] = {}
        if retry_after is not None and form == "milliseconds":
            headers["retry-after-ms"] = str(round(retry_after * 1000))
        elif retry_after is not None and form == "date":
            headers["retry-after"] = formatdate(time.time() + retry_after, usegmt=True)
        elif retry_after is not None:
            headers["retry-after"] = str(retry_after)
        return await status(429, error, "Too many requests.", headers=headers)(request, proceed)

    return answer


def html(code: int = 502) -> Fault:
    """Answer with an HTML error page, as a load balancer does.

    ::

        fake.faults.add(faults.html(502))
        await client.conversations.get(conversation_id)
    """

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        page = f"<html><head><title>{code}</title></head><body>try later</body></html>"
        return web.Response(text=page, status=code, content_type="text/html")

    return answer


def body(content: bytes, *, code: int = 200, content_type: str = "application/json") -> Fault:
    """Answer with these bytes.

    ::

        fake.faults.add(faults.body(b"[1, 2"))
        with pytest.raises(DecodeError):
            await once.conversations.get(conversation_id)
    """

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        return web.Response(body=content, status=code, content_type=content_type, headers=build_headers())

    return answer


def mislabelled(content_type: str) -> Fault:
    """Send the service's response with another Content-Type.

    ::

        fake.faults.add(faults.mislabelled("text/html"), operation="get_audio")
        with pytest.raises(ConvAIError):
            await once.conversations.audio.stream(recorded_id).__aenter__()
    """

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        response = await proceed()
        response.headers["content-type"] = content_type
        return response

    return answer


def redirect(location: str, *, code: int = 302) -> Fault:
    """Answer with a redirect to a path or URL.

    ::

        fake.faults.add(faults.redirect("https://other.example/"))
        with pytest.raises(ConvAIError):
            await client.conversations.get(conversation_id)  # the client does not send its key to another host
    """

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        return web.Response(status=code, headers={"location": location})

    return answer
