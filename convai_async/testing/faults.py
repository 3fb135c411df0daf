"""What can go wrong with a service, on demand.

A fault is a function that answers a request, perhaps by letting the service answer first::

    fake.faults.add(faults.status(503), operation="get_conversation", times=2)
    fake.faults.add(faults.drop(), rate=0.1)
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from aiohttp import web

from convai_async.testing.replies import error_reply, headers_of_every_reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Proceed = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Proceed], Awaitable[web.StreamResponse]]
"""Answers a request; ``proceed()`` gives the service's own reply."""

End = Literal["close", "reset", "half-close"]
"""How a connection ends: in order, by a reset, or with the client still listened to."""

JSON = dict[str, Any]

OPERATIONS = frozenset(
    {
        "list_conversations",
        "get_conversation",
        "delete_conversation",
        "get_audio",
        "create_feedback",
        "create_file",
        "delete_file",
        "get_sip_messages",
        "get_signed_url",
        "get_webrtc_token",
        "get_agent_link",
        "resolve_conversation",
        "get_conversation_summary",
        "text_search_messages",
        "search_messages",
        "run_analysis",
        "run_evaluation",
        "get_file",
        "assign_tags",
        "unassign_tag",
        "list_tags",
        "create_tag",
        "get_tag",
        "update_tag",
        "delete_tag",
        "get_agent_topics",
    }
)
"""The names of the operations."""

DETOUR = "~"
"""Added to a cursor, leads to the same page as without it."""


def check_operation(operation: str) -> None:
    """Refuse a misspelt operation: a test of it would test nothing.

    Raises:
        ValueError: There is no such operation.
    """
    if operation not in OPERATIONS:
        raise ValueError(f"there is no operation {operation!r}: there are {', '.join(sorted(OPERATIONS))}")


class Rule(msgspec.Struct, kw_only=True, eq=False):
    """Which requests a fault hits.

    Attributes:
        fault: What happens to them.
        operation: Only requests of this operation, such as ``"get_conversation"``; None is any.
        path: Only requests whose path holds this text; None is any.
        times: How many more requests it hits; None is all of them.
        rate: The share of the requests that it hits, 0 to 1.
        hits: How many requests it has hit.
    """

    fault: Fault
    operation: str | None = None
    path: str | None = None
    times: int | None = 1
    rate: float = 1.0
    hits: int = 0


class Faults:
    """The faults of a fake service; the first rule that matches a request has it.

    Args:
        seed: Decides which requests a rate hits.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a test's dice
        self._rules: list[Rule] = []

    def add(
        self,
        fault: Fault,
        *,
        operation: str | None = None,
        path: str | None = None,
        times: int | None = 1,
        rate: float = 1.0,
    ) -> Rule:
        """Add a fault and return its rule, which counts the hits.

        Args:
            fault: What happens.
            operation: Only to requests of this operation; None is any.
            path: Only to requests whose path holds this text; None is any.
            times: To how many requests; None is all of them.
            rate: To which share of them, 0 to 1.

        Raises:
            ValueError: There is no such operation.
        """
        if operation is not None:
            check_operation(operation)
        rule = Rule(fault=fault, operation=operation, path=path, times=times, rate=rate)
        self._rules.append(rule)
        return rule

    def add_random(self, rate: float) -> Rule:
        """Add passing faults of every kind, mixed, for this share of all requests."""

        async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
            return await self._rng.choice(PASSING)(request, proceed)

        return self.add(answer, times=None, rate=rate)

    def clear(self) -> None:
        """Remove every fault."""
        self._rules.clear()

    def pick(self, operation: str, path: str) -> Fault | None:
        """Return the fault that hits a request, or None."""
        for rule in self._rules:
            if (
                rule.times != 0
                and rule.operation in {None, operation}
                and (rule.path is None or rule.path in path)
                and (rule.rate >= 1 or self._rng.random() < rule.rate)
            ):
                rule.hits += 1
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None


def status(
    code: int,
    error: str = "internal_error",
    message: str = "Something failed.",
    *,
    shape: int = 1,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """Answer with an error status.

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
    """Answer with an error page of the front end."""

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        page = f"<html><head><title>{code}</title></head><body>try later</body></html>"
        return web.Response(text=page, status=code, content_type="text/html")

    return answer


def body(content: bytes, *, code: int = 200, content_type: str = "application/json") -> Fault:
    """Answer with this body, whatever it is."""

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        return web.Response(body=content, status=code, content_type=content_type, headers=headers_of_every_reply())

    return answer


def mislabelled(content_type: str) -> Fault:
    """Call the reply something else than it is."""

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        reply = await proceed()
        reply.headers["content-type"] = content_type
        return reply

    return answer


def redirect(location: str, *, code: int = 302) -> Fault:
    """Send the client elsewhere: a path of the same origin, or an address."""

    async def answer(_request: web.Request, _proceed: Proceed) -> web.StreamResponse:
        return web.Response(status=code, headers={"location": location})

    return answer


def drop(*, after_acting: bool = False, end: End = "close") -> Fault:
    """End the connection without a reply.

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
    """Let the body trickle.

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
    """Answer later."""

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await proceed()

    return answer


def change(edit: Callable[[JSON], object]) -> Fault:
    """Change the JSON of the reply.

    Args:
        edit: Changes the decoded document in place.
    """

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        document = msgspec.json.decode(_whole(await proceed()))
        edit(document)
        return json_reply(document)

    return answer


def repeat_cursor(cursor: str) -> Fault:
    """Let a page point to the same page for ever."""
    return change(lambda page: page.update(next_cursor=cursor, has_more=True))


def more_without_cursor() -> Fault:
    """Let a page say that more follows, but not where."""
    return change(lambda page: page.update(next_cursor=None, has_more=True))


def empty_page() -> Fault:
    """Put a page without items before the page that was asked for."""

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        document = msgspec.json.decode(_whole(await proceed()))
        items = next(name for name, value in document.items() if isinstance(value, list))
        here = request.query.get("cursor", "")
        return json_reply({items: [], "next_cursor": here + DETOUR, "has_more": True})

    return answer


def unknown_values() -> Fault:
    """Add fields, enum values and union tags that no contract knows to a conversation."""

    def edit(document: JSON) -> None:
        document["status"] = "archived"
        document["a_new_field"] = {"deep": [1]}
        for turn in document["transcript"]:
            turn["role"] = "supervisor"
            turn["tool_results"] = [{"type": "telepathy", "strength": 3}, {"type": None}, {}]

    return change(edit)


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
