"""What can go wrong with a service, on demand.

A fault is a function that answers a request, perhaps by letting the service answer first. `FakeConvAI.faults` decides
which requests it hits, by default the next one::

    fake.faults.add(faults.status(503), operation="get_conversation", times=2)
    fake.faults.add(faults.drop(), times=None, rate=0.1)

In the examples below, ``client`` is a `ConvAIClient` of the service and ``once`` one that does not retry.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from aiohttp import web

from convai_async.testing import mp3
from convai_async.testing.cursors import DETOUR
from convai_async.testing.replies import error_reply, headers_of_every_reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Proceed = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Proceed], Awaitable[web.StreamResponse]]
"""Answers a request; ``proceed()`` gives the service's own reply."""

End = Literal["close", "reset", "half-close"]
"""How a connection ends: in order, by a reset, or with the client still listened to."""

JSON = dict[str, Any]


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
        code: The status.
        error: The service's code for it, such as ``"rate_limit_exceeded"``.
        message: The service's words.
        shape: The shape of the body, 1 to 5: see `replies.error_body`.
        headers: More headers, such as ``{"retry-after": "2"}``.
    """

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        reply = error_reply(code, error, message, shape=shape)
        reply.headers.update(headers or {})
        return reply

    return answer


def rate_limited(
    error: str = "rate_limit_exceeded", *, retry_after: float | None = None, form: str = "seconds"
) -> Fault:
    """Answer 429.

    ::

        fake.faults.add(faults.rate_limited(retry_after=0.01))
        await client.conversations.get(conversation_id)  # waits as long as it was asked to

    Args:
        error: ``rate_limit_exceeded``, ``system_busy``, ``concurrent_limit_exceeded`` or
            ``too_many_concurrent_requests``.
        retry_after: Seconds to ask for; None asks for none.
        form: How to ask: ``"seconds"``, ``"date"`` or ``"milliseconds"``.
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
    """Answer with an error page of the front end.

    ::

        fake.faults.add(faults.html(502))
        await client.conversations.get(conversation_id)
    """

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        page = f"<html><head><title>{code}</title></head><body>try later</body></html>"
        return web.Response(text=page, status=code, content_type="text/html")

    return answer


def body(content: bytes, *, code: int = 200, content_type: str = "application/json") -> Fault:
    """Answer with this body, whatever it is.

    ::

        fake.faults.add(faults.body(b"[1, 2"))
        with pytest.raises(DecodeError):
            await once.conversations.get(conversation_id)
    """

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        return web.Response(body=content, status=code, content_type=content_type, headers=headers_of_every_reply())

    return answer


def mislabelled(content_type: str) -> Fault:
    """Send the reply with another Content-Type.

    ::

        fake.faults.add(faults.mislabelled("text/html"), operation="get_audio")
        with pytest.raises(ConvAIError):
            await once.conversations.audio.stream(recorded_id).__aenter__()
    """

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        reply = await proceed()
        reply.headers["content-type"] = content_type
        return reply

    return answer


def redirect(location: str, *, code: int = 302) -> Fault:
    """Redirect the client to a path of the same origin, or to a URL.

    ::

        fake.faults.add(faults.redirect("https://other.example/"))
        with pytest.raises(ConvAIError):
            await client.conversations.get(conversation_id)  # does not send its key to another host
    """

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        return web.Response(status=code, headers={"location": location})

    return answer


def drop(*, after_acting: bool = False, end: End = "close") -> Fault:
    """End the connection without a reply.

    ::

        fake.faults.add(faults.drop(end="reset"), operation="get_conversation")
        await client.conversations.get(conversation_id)

    Args:
        after_acting: Whether the service does what it was asked to before.
        end: How.
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
        whole = _whole(proper)
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
        whole = _whole(proper)
        reply = web.StreamResponse(headers={"content-type": proper.content_type})
        reply.content_length = len(whole)
        await reply.prepare(request)
        for start in range(0, len(whole), chunk):
            await reply.write(whole[start : start + chunk])
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


def change(edit: Callable[[JSON], object]) -> Fault:
    """Change the JSON of the reply.

    ::

        fake.faults.add(faults.change(lambda document: document.update(user_id="user_1")))
        assert (await client.conversations.get(conversation_id)).user_id == "user_1"

    Args:
        edit: Changes the decoded document in place.
    """

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        document = msgspec.json.decode(_whole(await proceed()))
        edit(document)
        return json_reply(document)

    return answer


def repeat_cursor(cursor: str) -> Fault:
    """Let a page point to the same page again and again.

    ::

        fake.faults.add(faults.repeat_cursor("a_cursor"), operation="list_conversations", times=None)
        with pytest.raises(ConvAIError):
            await once.conversations.list().collect()
    """
    return change(lambda page: page.update(next_cursor=cursor, has_more=True))


def more_without_cursor() -> Fault:
    """Let a page say that more follows, but not where.

    ::

        fake.faults.add(faults.more_without_cursor(), operation="list_conversations")
        with pytest.raises(PaginationError):
            await client.conversations.list().collect()
    """
    return change(lambda page: page.update(next_cursor=None, has_more=True))


def empty_page() -> Fault:
    """Put a page without items before the page that was asked for.

    ::

        fake.faults.add(faults.empty_page(), operation="list_conversations")
        summaries = await client.conversations.list().collect()
        assert len(summaries) == len(fake.conversations)  # none is missing
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        document = msgspec.json.decode(_whole(await proceed()))
        items = next(name for name, value in document.items() if isinstance(value, list))
        here = request.query.get("cursor", "")
        return json_reply({items: [], "next_cursor": here + DETOUR, "has_more": True})

    return answer


def unknown_values() -> Fault:
    """Add fields, enum values and union tags to a conversation that no version of the service has had.

    ::

        fake.faults.add(faults.unknown_values())
        assert (await client.conversations.get(conversation_id)).status == "archived"
    """

    def edit(document: JSON) -> None:
        document["status"] = "archived"
        document["a_new_field"] = {"deep": [1]}
        for turn in document["transcript"]:
            turn["role"] = "supervisor"
            turn["tool_results"] = [{"type": "telepathy", "strength": 3}, {"type": None}, {}]

    return change(edit)


def bad_item(index: int = 0, *, item: Any = None) -> Fault:
    """Put something else in the place of an item of a page.

    ::

        fake.faults.add(faults.bad_item(2, item={"agent_id": 7}), operation="list_conversations")
        with pytest.raises(DecodeError):
            await once.conversations.list()

    Args:
        index: Which item of the page.
        item: What stands in its place.
    """

    def edit(page: JSON) -> None:
        items = next(value for value in page.values() if isinstance(value, list))
        items[index] = item

    return change(edit)


def expiring_cursors(
    *, after: int | None = None, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
) -> Fault:
    """Refuse a cursor with a 422 some requests or seconds after the page that gave it. Add it with ``times=None``.

    ::

        fake.faults.add(faults.expiring_cursors(after=1), operation="list_conversations", times=None)
        page = await client.conversations.list(page_size=2)
        await client.conversations.list(page_size=3)
        with pytest.raises(ValidationError):
            await client.conversations.list(page_size=2, cursor=page.next_cursor)

    Args:
        after: How many requests a cursor lives; None is any number.
        seconds: How long it lives; None is for as long as you like.
        clock: Tells the time in seconds.
    """
    issued: dict[str, tuple[int, float]] = {}
    count = 0

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        nonlocal count
        count += 1
        number, moment = issued.get(request.query.get("cursor", ""), (count, clock()))
        if (after is not None and count - number > after) or (seconds is not None and clock() - moment > seconds):
            return error_reply(422, "invalid_cursor", "The cursor has expired.")
        reply = await proceed()
        cursor = msgspec.json.decode(_whole(reply)).get("next_cursor")
        if cursor is not None:
            issued[cursor] = count, clock()
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
        whole = _whole(proper)
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


def _whole(reply: web.StreamResponse) -> bytes:
    if isinstance(reply, web.Response) and isinstance(reply.body, bytes):
        return reply.body
    raise TypeError("this fault needs a reply that the service does not stream; use drop() or status()")


PASSING: Sequence[Fault] = (
    rate_limited(),
    rate_limited("system_busy", retry_after=0.01),
    rate_limited("concurrent_limit_exceeded", retry_after=0.01, form="milliseconds"),
    rate_limited("too_many_concurrent_requests"),
    *(status(code) for code in (408, 409, 425, 500, 503)),
    status(500, shape=5),
    html(502),
    body(b"", code=504),
    drop(),
)
"""Faults after which the same request can succeed."""
