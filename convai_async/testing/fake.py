"""A service like the real one, in your own process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import msgspec
from aiohttp import web

from convai_async.testing.corpus import NEWEST_START, Corpus
from convai_async.testing.faults import Faults, check_operation
from convai_async.testing.handlers import Handlers
from convai_async.testing.replies import error_reply

if TYPE_CHECKING:
    from types import TracebackType

    from aiohttp.typedefs import Handler


class RecordedRequest(msgspec.Struct, frozen=True):
    """A request that a fake service was sent.

    Attributes:
        operation: Which operation it asked for, such as ``"get_conversation"``; empty for none of ours.
        method: The HTTP method.
        path: The path, as it was sent.
        query: The query's pairs, decoded; a name may stand several times.
        headers: The headers; names in any case.
        body: The body; empty for uploads, which `FakeConvAI.files` has.
    """

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


class FakeConvAI:
    """A fake ElevenLabs Agents conversations service on a free port of this machine.

    ::

        async with FakeConvAI(conversations=50) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
            fake.faults.add(faults.status(503), operation="get_conversation")
            conversation = await client.conversations.get(next(iter(fake.conversations)))

    The same arguments give the same conversations, in every process.

    Args:
        conversations: How many conversations there are. They are made when they are asked for, so 100,000
            cost little more than their ids.
        seed: Decides every word, and which requests a fault's rate hits.
        api_key: The key that it accepts.
        newest_start: When the newest conversation started, in unix seconds; a fixed day by default.
        days: Over how many days the conversations are spread.
        unfinished: How many of the newest are not done yet.
        oddities: Whether documents have the oddities that the real service's have: null for a list, integers
            as ``1.0``, an older shape of metrics.
        latency: Seconds that each reply takes: a number, or the bounds between which it is drawn.
        concurrency_limit: More requests than this at the same time are refused with a 429; None refuses none.
        audio_bytes: The size of every recording; None has them as long as their calls.
        audio_content_length: Whether recordings say how long they are.

    Attributes:
        conversations: The conversations, newest first: iterate, look up, ``document(id)``.
        requests: What was asked, in order.
        faults: What shall go wrong.
        peak_in_flight: The most requests that were there at the same time.
        refused: Requests that were over the concurrency limit.
    """

    def __init__(  # noqa: PLR0913 - a service has many sides, each by its name
        self,
        *,
        conversations: int = 100,
        seed: int = 0,
        api_key: str = "xi-fake-key",
        newest_start: int = NEWEST_START,
        days: float = 30.0,
        unfinished: int = 0,
        oddities: bool = True,
        latency: float | tuple[float, float] = 0.0,
        concurrency_limit: int | None = None,
        audio_bytes: int | None = None,
        audio_content_length: bool = True,
    ) -> None:
        self.api_key = api_key
        self.conversations = Corpus(
            conversations, seed=seed, newest_start=newest_start, days=days, unfinished=unfinished, oddities=oddities
        )
        self.requests: list[RecordedRequest] = []
        self.faults = Faults(seed)
        self.peak_in_flight = 0
        self.refused = 0
        self._in_flight = 0
        self._concurrency_limit = concurrency_limit
        self._latency = latency if isinstance(latency, tuple) else (latency, latency)
        self._rng = random.Random(seed)  # noqa: S311 - a test's dice
        self._handlers = Handlers(
            self.conversations, seed=seed, audio_bytes=audio_bytes, audio_content_length=audio_content_length
        )
        self._runner: web.AppRunner | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens, such as ``"http://127.0.0.1:54321"``.

        Raises:
            RuntimeError: It was not started.
        """
        if not self._url:
            raise RuntimeError("the fake service is not running: use `async with FakeConvAI() as fake`")
        return self._url

    @property
    def files(self) -> dict[tuple[str, str], bytes]:
        """The uploaded files, by conversation id and file id."""
        return self._handlers.files

    def requests_to(self, operation: str) -> list[RecordedRequest]:
        """Return what was asked of one operation, such as ``"get_conversation"``.

        Raises:
            ValueError: There is no such operation.
        """
        check_operation(operation)
        return [request for request in self.requests if request.operation == operation]

    def add_conversation(self, *, start: int | None = None, status: str = "done") -> str:
        """Let a new call arrive, and return its id.

        Args:
            start: When it started, in unix seconds; a minute after the newest by default.
            status: How far it is.
        """
        newest = max((self.conversations[conversation_id].start for conversation_id in self.conversations), default=0)
        return self.conversations.add(newest + 60 if start is None else start, status)

    def finish(self, conversation_id: str, status: str = "done") -> None:
        """Let a conversation get on, to ``done`` by default."""
        self.conversations[conversation_id].status = status

    def analyse_again(self, conversation_id: str) -> None:
        """Change a conversation's analysis, as the service's users can."""
        self.conversations[conversation_id].revision += 1

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, port: int = 0) -> None:
        """Listen on this port of 127.0.0.1; on a free one by default."""
        application = web.Application(middlewares=[self._answer], client_max_size=64 * 1024 * 1024)
        application.add_routes(self._handlers.routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, bound_port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{bound_port}"

    async def close(self) -> None:
        """Stop listening; closing twice is no error."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self._url = ""

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        operation = getattr(handler, "__name__", "") if request.match_info.http_exception is None else ""
        if request.content_type == "multipart/form-data":
            await request.post()  # kept by the request for its handler; the stream can be read once
        self.requests.append(
            RecordedRequest(
                operation,
                request.method,
                request.rel_url.raw_path,
                tuple(request.query.items()),
                request.headers,
                await request.read(),
            )
        )
        if request.headers.get("xi-api-key") != self.api_key:
            return error_reply(401, "invalid_api_key", "Invalid API key")
        if not operation:
            return error_reply(404, "not_found", "Not Found", shape=4)
        if self._concurrency_limit is not None and self._in_flight >= self._concurrency_limit:
            self.refused += 1
            return error_reply(429, "concurrent_limit_exceeded", "Too many concurrent requests")
        self._in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        try:
            if self._latency[1] > 0:
                await asyncio.sleep(self._rng.uniform(*self._latency))
            fault = self.faults.pick(operation, request.path)
            return await (handler(request) if fault is None else fault(request, lambda: handler(request)))
        finally:
            self._in_flight -= 1
