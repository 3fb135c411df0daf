"""A service like the real one, in your own process."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from multidict import CIMultiDict

import convai_async.testing.handlers  # noqa: F401 - registers the operations
from convai_async.testing.corpus import NEWEST_START, Corpus, Order
from convai_async.testing.operations import OPERATIONS, Operation
from convai_async.testing.parameters import read_query
from convai_async.testing.recorded import RecordedRequest, RecordedRequests
from convai_async.testing.replies import RefusedError, compress, error_reply
from convai_async.testing.rules import Faults
from convai_async.testing.state import State, UploadedFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from aiohttp.typedefs import Handler

    from convai_async.testing.added import Transcript

_KEY_HEADER = "xi-api-key"


class FakeConvAI:
    """A fake ElevenLabs Agents conversations service: an HTTP server on a free port of 127.0.0.1.

    ::

        async with FakeConvAI(conversations=50) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
            fake.faults.add(faults.status(503), operation="get_conversation")
            conversation = await client.conversations.get(next(iter(fake.conversations)))

    The same arguments give the same conversations, in every process. What the service refuses, such as a value out of
    range, is refused here with the same status. What the service silently ignores, a parameter that it does not know,
    is refused with a 422 that names it, so that a misspelt filter fails a test.

    Args:
        conversations: How many conversations there are, such as ``conversations=0`` for only those that you `add`.
            They are made when they are asked for, so 100,000 cost little more than their ids.
        seed: Decides every word, and which requests a fault's rate hits: ``seed=7``.
        api_key: The key that it accepts: ``api_key="xi-of-my-tests"``. Any other is answered with a 401.
        newest_start: When the newest conversation started, in unix seconds: ``newest_start=1_790_000_000``. A fixed
            day by default.
        days: Over how many days the conversations are spread: ``days=365``.
        unfinished: How many of the newest are not done yet: ``unfinished=2``. `finish` finishes them.
        quirks: Whether documents have the quirks that the real service's have, null for a list, integers as ``1.0``,
            an older shape of metrics: ``quirks=False`` for documents just as the contract says.
        order: What comes first in a list that asks for no direction, ``"newest"``, ``"oldest"`` or ``"random"``:
            ``order="random"``.
        latency: Seconds that each reply takes, a number or the bounds between which it is drawn:
            ``latency=(0.05, 0.2)``.
        concurrency_limit: More requests than this at the same time are refused with a 429:
            ``concurrency_limit=5``. None refuses none.
        audio_bytes: The size of every recording in bytes: ``audio_bytes=1_000_000``. None has them as long as their
            calls.
        audio_content_length: Whether recordings have a Content-Length: ``audio_content_length=False``.
        audio_ranges: Whether a Range header of a recording is honoured, with a 206 or 416:
            ``audio_ranges=False`` ignores it, and sends all with a 200.
        gzip: Whether JSON is compressed for clients that accept it: ``gzip=False``.
        ignore_unknown_parameters: Whether a parameter of a query or a field of a body that the service does not know
            is ignored, as the real service does: ``ignore_unknown_parameters=True``.

    Attributes:
        conversations: The conversations, newest first: iterate, look up, ``document(id)``.
        requests: The requests that it received, in order: a list that can be filtered, see `RecordedRequests`.
        faults: The faults that requests meet: see `Faults.add` and the functions of `convai_async.testing.faults`.
        peak_in_flight: The most requests that were in flight at the same time.
        refused: The number of requests that were over the concurrency limit.
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
        quirks: bool = True,
        order: Order = "newest",
        latency: float | tuple[float, float] = 0.0,
        concurrency_limit: int | None = None,
        audio_bytes: int | None = None,
        audio_content_length: bool = True,
        audio_ranges: bool = True,
        gzip: bool = True,
        ignore_unknown_parameters: bool = False,
    ) -> None:
        self.api_key = api_key
        self.conversations = Corpus(
            conversations,
            seed=seed,
            newest_start=newest_start,
            days=days,
            unfinished=unfinished,
            quirks=quirks,
            order=order,
        )
        self.requests = RecordedRequests()
        self.faults = Faults(seed)
        self.peak_in_flight = 0
        self.refused = 0
        self._in_flight = 0
        self._concurrency_limit = concurrency_limit
        self._latency = latency if isinstance(latency, tuple) else (latency, latency)
        self._gzip = gzip
        self._rng = random.Random(seed)  # noqa: S311 - a test's dice
        self._state = State(
            self.conversations,
            seed=seed,
            audio_bytes=audio_bytes,
            audio_content_length=audio_content_length,
            audio_ranges=audio_ranges,
            ignore_unknown=ignore_unknown_parameters,
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
    def files(self) -> dict[tuple[str, str], UploadedFile]:
        """The uploaded files, by conversation id and file id.

        Each is its content, with ``filename``, ``content_type`` and ``used``::

            uploaded = await client.conversations.files.create(conversation_id, b"%PDF", filename="a.pdf")
            file = fake.files[conversation_id, uploaded.file_id]
            assert file == b"%PDF"
            assert (file.filename, file.content_type) == ("a.pdf", "application/pdf")
            file.used = True  # the conversation has used it: deleting it is refused with a 400
        """
        return self._state.files

    def add(  # noqa: PLR0913 - each by its name
        self,
        conversation_id: str | None = None,
        *,
        agent_id: str | None = None,
        transcript: Transcript | None = None,
        start: int | None = None,
        status: str = "done",
        done_after: int | None = None,
        parent_conversation_id: str | None = None,
        topic_ids: Sequence[str] | None = None,
        tag_ids: Sequence[str] = (),
        **fields: Any,
    ) -> str:
        """Add a conversation of your own, and return its id. Whatever you leave out is made up.

        ::

            fake.add(
                "conv_1",
                agent_id="agent_1",
                transcript=[("agent", "Hello!"), ("user", "Where is my parcel?")],
                user_id="user_1",
                metadata={"call_duration_secs": 42, "feedback": {"rating": 5}},
                analysis={"call_successful": "failure", "data_collection_results": {"city": {"value": "Rome"}}},
                has_audio=False,
            )
            conversation = await client.conversations.get("conv_1")
            assert conversation.transcript[1].message == "Where is my parcel?"
            found = await client.conversations.list(search="parcel", rating_min=5)
            assert [summary.conversation_id for summary in found] == ["conv_1"]

            fake.add("conv_2", status="processing", done_after=1)  # done in the second reply with its details
            assert (await client.conversations.wait("conv_2")).status == "done"

        It is a success over the widget, without a rating and, when done, with a recording, unless you say otherwise.

        Args:
            conversation_id: Its id; a new one by default.
            agent_id: Its agent, which need not be there yet; the first of the made-up ones by default.
            transcript: What was said: pairs of a role, ``"user"`` or ``"agent"``, and a text, or turns as the service
                has them, of which only ``role`` is required. A made-up conversation by default.
            start: When it started, in unix seconds; a minute after the newest by default.
            status: ``"initiated"``, ``"in-progress"``, ``"processing"``, ``"done"`` or ``"failed"``. Only what is done
                has an analysis.
            done_after: After how many requests for its details it is done; None leaves that to `finish`.
            parent_conversation_id: The conversation that began it.
            topic_ids: Its topics, for the filter of this name; no reply shows them.
            tag_ids: Its tags.
            **fields: Other fields of the conversation's JSON; objects are merged with what is made up.

        Raises:
            ValueError: There is a conversation of this id, or a turn has no role.
            TypeError: A conversation has no such field.
        """
        return self.conversations.add(
            conversation_id,
            agent_id=agent_id,
            transcript=transcript,
            start=start,
            status=status,
            done_after=done_after,
            parent_conversation_id=parent_conversation_id,
            topic_ids=topic_ids,
            tag_ids=tag_ids,
            fields=fields,
        )

    def finish(self, conversation_id: str, status: str = "done") -> None:
        """Change a conversation's status, to ``done`` by default.

        ::

            fake.add("conv_1", status="in-progress")
            fake.finish("conv_1")
            assert (await client.conversations.get("conv_1")).status == "done"
        """
        record = self.conversations[conversation_id]
        record.status, record.done_after = status, None

    def analyse_again(self, conversation_id: str) -> None:
        """Change a conversation's analysis, as the service's users can.

        ::

            before = await client.conversations.get(conversation_id)
            fake.analyse_again(conversation_id)
            assert (await client.conversations.get(conversation_id)).analysis != before.analysis
        """
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
        application = web.Application(middlewares=[self._receive], client_max_size=64 * 1024 * 1024)
        for operation in OPERATIONS.values():
            handler = functools.partial(self._answer, operation)
            resource = application.router.add_resource(operation.path, name=operation.name)
            for method in operation.methods:
                resource.add_route(method, handler)
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

    async def _answer(self, operation: Operation, request: web.Request) -> web.StreamResponse:
        try:
            query = read_query(request.query, operation.parameters, ignore_unknown=self._state.ignore_unknown)
            return await operation.handler(self._state, request, query)
        except RefusedError as refused:
            return refused.reply

    @web.middleware
    async def _receive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        reply = await self._reply(request, handler, await self._record(request))
        if self._gzip:
            compress(request, reply)
        return reply

    async def _record(self, request: web.Request) -> RecordedRequest:
        name = request.match_info.route.name or ""
        if name == "create_file":
            with contextlib.suppress(ValueError):  # the handler answers to a malformed one
                await request.post()  # kept by the request for its handler; the stream can be read once
        headers = CIMultiDict(request.headers)
        recorded = RecordedRequest(
            name if name in OPERATIONS else "",
            request.method,
            request.rel_url.raw_path,
            tuple(request.query.items()),
            headers,
            await request.read(),
            headers.popall(_KEY_HEADER, []) == [self.api_key],
        )
        self.requests.append(recorded)
        return recorded

    async def _reply(self, request: web.Request, handler: Handler, recorded: RecordedRequest) -> web.StreamResponse:
        if not recorded.operation:
            return _no_route(request.match_info.http_exception)
        if not recorded.authorized:
            return error_reply(401, "invalid_api_key", "Invalid API key")
        if self._concurrency_limit is not None and self._in_flight >= self._concurrency_limit:
            self.refused += 1
            return error_reply(429, "concurrent_limit_exceeded", "Too many concurrent requests")
        self._in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        try:
            if self._latency[1] > 0:
                await asyncio.sleep(self._rng.uniform(*self._latency))
            fault = self.faults.pick(recorded.operation, request.path)
            return await (handler(request) if fault is None else fault(request, lambda: handler(request)))
        finally:
            self._in_flight -= 1


def _no_route(exception: web.HTTPException | None) -> web.StreamResponse:
    """Return the reply to a path that there is not, or to a method that a path does not have."""
    if isinstance(exception, web.HTTPMethodNotAllowed):
        reply = error_reply(405, "method_not_allowed", "Method Not Allowed", shape=4)
        reply.headers["allow"] = ", ".join(sorted(exception.allowed_methods))
        return reply
    return error_reply(404, "not_found", "Not Found", shape=4)
