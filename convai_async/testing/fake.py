"""A fake ElevenLabs service that runs in your own process."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import socket
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from multidict import CIMultiDict

import convai_async.testing.handlers  # noqa: F401 - registers the routes
from convai_async.testing.corpus import NEWEST_START, Corpus, Order
from convai_async.testing.fault_rules import Faults
from convai_async.testing.parameters import read_query
from convai_async.testing.recorded_requests import RecordedRequest, RecordedRequests
from convai_async.testing.responses import RefusedError, compress, error_response
from convai_async.testing.routes import ROUTES, SOCKETS, Route
from convai_async.testing.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from aiohttp.typedefs import Handler

    from convai_async.testing.custom_conversations import Transcript
    from convai_async.testing.live.service import LiveService
    from convai_async.testing.uploaded_files import UploadedFile

_KEY_HEADER = "xi-api-key"
_STEPS_TO_ACCEPT = 4
"""Steps of the event loop in which a connection that was accepted gets to the server, and one more."""


class FakeConvAI:
    """A fake ElevenLabs Agents conversations service: an HTTP server on a free port of 127.0.0.1.

    ::

        async with FakeConvAI(conversations=50) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
            fake.faults.add(faults.status(503), operation="get_conversation")
            conversation = await client.conversations.get(next(iter(fake.conversations)))

    The same arguments generate the same conversations in every process. Requests that the real service rejects, such as
    a value out of range, are rejected with the same status. The real service ignores unknown parameters; this one
    responds with 422 and names the parameter, so that a misspelled filter fails your test.

    Args:
        conversations: The number of generated conversations: ``conversations=0`` to have only those that you `add`.
            Documents are generated on request, so 100,000 conversations need little memory.
        seed: The seed of the generated data and of the `Faults.add` rates: ``seed=7``.
        api_key: The accepted API key: ``api_key="xi-of-my-tests"``. Requests with another key get a 401.
        newest_start: The start of the newest conversation in Unix seconds: ``newest_start=1_790_000_000``. A fixed
            day by default.
        days: The number of days over which the conversations are spread: ``days=365``.
        unfinished: How many of the newest conversations are still in progress or processing: ``unfinished=2``. Call
            `finish` to finish one.
        quirks: Whether documents have the quirks of the real service, such as null for an empty list, integers as
            ``1.0`` and an older form of metrics: ``quirks=False`` for documents that match the OpenAPI schema.
        order: The order of lists without a ``sort_direction``, ``"newest"`` first, ``"oldest"`` first or
            ``"random"``: ``order="random"``.
        latency: The delay of every response in seconds, or a range from which it is drawn: ``latency=(0.05, 0.2)``.
        concurrency_limit: The number of concurrent requests above which requests get a 429:
            ``concurrency_limit=5``. None for no limit.
        audio_bytes: The size of every recording in bytes: ``audio_bytes=1_000_000``. By default it follows from the
            duration of the call.
        audio_content_length: Whether recordings have a Content-Length: ``audio_content_length=False``.
        audio_ranges: Whether Range requests for recordings are answered with 206 or 416: ``audio_ranges=False`` to
            ignore the header and send the whole recording.
        gzip: Whether JSON is compressed for clients that accept gzip: ``gzip=False``.
        ignore_unknown_parameters: Whether unknown query parameters and body fields are ignored, as the real service
            does: ``ignore_unknown_parameters=True``.

    Attributes:
        conversations: The conversations by id, newest first. ``conversations.document(id)`` returns the JSON bytes.
        requests: The received requests in order, a list that can be filtered: see `RecordedRequests`.
        faults: The faults to inject: see `Faults.add` and `convai_async.testing.faults`.
        peak_in_flight: The largest number of requests that were in flight at the same time.
        refused: The number of requests that exceeded the concurrency limit.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only
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
        self._rng = random.Random(seed)  # noqa: S311 - not for security
        self._state = State(
            self.conversations,
            self._check_key,
            seed=seed,
            audio_bytes=audio_bytes,
            audio_content_length=audio_content_length,
            audio_ranges=audio_ranges,
            ignore_unknown=ignore_unknown_parameters,
            quirks=quirks,
        )
        self._running: tuple[web.AppRunner, socket.socket] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The base URL, such as ``"http://127.0.0.1:54321"``.

        Raises:
            RuntimeError: The service is not running.
        """
        if not self._url:
            raise RuntimeError("the fake service is not running: use `async with FakeConvAI() as fake`")
        return self._url

    @property
    def files(self) -> dict[tuple[str, str], UploadedFile]:
        """The uploaded files by conversation id and file id.

        Each is its content as bytes, with ``filename``, ``content_type`` and ``used``::

            uploaded = await client.conversations.files.create(conversation_id, b"%PDF", filename="a.pdf")
            file = fake.files[conversation_id, uploaded.file_id]
            assert file == b"%PDF"
            assert (file.filename, file.content_type) == ("a.pdf", "application/pdf")
            file.used = True  # used in the conversation: deleting it now gets a 400
        """
        return self._state.files

    @property
    def live(self) -> LiveService:
        """The agents, and the live conversations that were held with them: see `convai_async.testing.live`."""
        return self._state.live

    def add(  # noqa: PLR0913 - all keyword-only but the id
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
        """Add a conversation and return its id. Fields that you leave out are generated.

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

            fake.add("conv_2", status="processing", done_after=1)  # done from the second `get` on
            assert (await client.conversations.wait("conv_2")).status == "done"

        By default the conversation was successful, came from the widget, has no rating, and has a recording if its
        status is ``"done"``.

        Args:
            conversation_id: The id; generated by default.
            agent_id: The agent; an unknown id creates it. The first generated agent by default.
            transcript: The turns: ``(role, text)`` pairs, where the role is ``"user"`` or ``"agent"``, or dicts in the
                service's form, in which only ``role`` is required. Generated by default.
            start: The start in Unix seconds; a minute after the newest conversation by default.
            status: ``"initiated"``, ``"in-progress"``, ``"processing"``, ``"done"`` or ``"failed"``. Only conversations
                that are ``"done"`` have an analysis.
            done_after: Change the status to ``"done"`` after this many requests for the details; None to wait for
                `finish`.
            parent_conversation_id: The id of the parent conversation.
            topic_ids: The ids that the ``topic_ids`` filter finds it by.
            tag_ids: The ids of its tags.
            **fields: Other fields of the conversation's JSON; objects are merged with the generated ones.

        Raises:
            ValueError: The id exists already, or the status or a turn is invalid.
            TypeError: Conversations have no such field.
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
        """Set the status of a conversation, ``"done"`` by default.

        ::

            fake.add("conv_1", status="in-progress")
            fake.finish("conv_1")
            assert (await client.conversations.get("conv_1")).status == "done"
        """
        stored = self.conversations[conversation_id]
        stored.status, stored.done_after = status, None

    def analyse_again(self, conversation_id: str) -> None:
        """Change the analysis of a conversation, as if it was run again in the dashboard.

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
        """Start listening on 127.0.0.1.

        Args:
            port: The port; a free one by default.
        """
        application = web.Application(middlewares=[self._receive], client_max_size=64 * 1024 * 1024)
        for route in (*ROUTES.values(), *SOCKETS.values()):
            resource = application.router.add_resource(route.path, name=route.operation)
            for method in route.methods:
                resource.add_route(method, functools.partial(self._answer, route))
        listener = socket.create_server(("127.0.0.1", port))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        self._running = runner, listener
        self._url = "http://{}:{}".format(*listener.getsockname())

    async def close(self) -> None:
        """Stop listening. Closing twice is allowed."""
        if self._running is not None:
            (runner, listener), self._running = self._running, None
            self._url = ""
            await _stop_accepting(listener)
            self.live.abort()
            await runner.cleanup()

    async def _answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        try:
            query = read_query(request.query, route.parameters, ignore_unknown=self._state.ignore_unknown)
            return await route.handler(self._state, request, query)
        except RefusedError as refused:
            return refused.response

    @web.middleware
    async def _receive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await self._respond(request, handler, await self._record(request))
        if self._gzip:
            compress(request, response)
        return response

    async def _record(self, request: web.Request) -> RecordedRequest:
        name = request.match_info.route.name or ""
        if request.content_type == "multipart/form-data":
            with contextlib.suppress(ValueError):  # the handler answers malformed forms
                await request.post()  # the stream can be read only once; aiohttp keeps the form for the handler
        headers = CIMultiDict(request.headers)
        headers.popall(_KEY_HEADER, None)
        recorded = RecordedRequest(
            name if name in ROUTES or name in SOCKETS else "",
            request.method,
            request.rel_url.raw_path,
            tuple(request.query.items()),
            headers,
            await request.read(),
            self._check_key(request) is True,
        )
        self.requests.append(recorded)
        return recorded

    def _check_key(self, request: web.Request) -> bool | None:
        """Return whether a request has the accepted API key, exactly once; None if it has none."""
        keys = request.headers.getall(_KEY_HEADER, [])
        return keys == [self.api_key] if keys else None

    async def _respond(self, request: web.Request, handler: Handler, recorded: RecordedRequest) -> web.StreamResponse:
        if recorded.operation in SOCKETS:  # conversations last: they have their own authorization and limits
            return await self._delay_and_answer(request, handler, recorded)
        if not recorded.operation:
            handler = _reject_unknown_route
        elif not recorded.authorized:
            return error_response(401, "invalid_api_key", "Invalid API key")
        if self._concurrency_limit is not None and self._in_flight >= self._concurrency_limit:
            self.refused += 1
            return error_response(429, "concurrent_limit_exceeded", "Too many concurrent requests")
        self._in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        try:
            return await self._delay_and_answer(request, handler, recorded)
        finally:
            self._in_flight -= 1

    async def _delay_and_answer(
        self, request: web.Request, handler: Handler, recorded: RecordedRequest
    ) -> web.StreamResponse:
        if self._latency[1] > 0:
            await asyncio.sleep(self._rng.uniform(*self._latency))
        fault = self.faults.pick(recorded.operation, request.path)
        return await (handler(request) if fault is None else fault(request, lambda: handler(request)))


async def _stop_accepting(listener: socket.socket) -> None:
    """Accept no more connections, and wait until those that were accepted belong to the server, which closes them.

    Otherwise asyncio forgets them: they stay open, and whoever sends a request over one waits in vain.
    """
    with contextlib.suppress(NotImplementedError):  # the event loop of Windows
        asyncio.get_running_loop().remove_reader(listener)
    for _ in range(_STEPS_TO_ACCEPT):
        await asyncio.sleep(0)


async def _reject_unknown_route(request: web.Request) -> web.StreamResponse:
    """Respond with 405 if the path exists with another method, else with 404."""
    exception = request.match_info.http_exception
    if isinstance(exception, web.HTTPMethodNotAllowed):
        response = error_response(405, "method_not_allowed", "Method Not Allowed", shape=4)
        response.headers["allow"] = ", ".join(sorted(exception.allowed_methods))
        return response
    return error_response(404, "not_found", "Not Found", shape=4)
