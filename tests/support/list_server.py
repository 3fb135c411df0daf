"""A small service that lists conversations in any order, for tests of the harvest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from convai_async import ConvAIClient, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType


class ListServer:
    """Serves a list of conversations in a given order, and their details; both time bounds are inclusive.

    Args:
        starts: The start of each conversation by id.
        order: The ids in the order of the list; newest first by default.
        page_size: The largest page, even if a request asks for more.

    Attributes:
        listed: The ids in the responses so far.
        pages: The number of requested pages.
        most_pages: The number of pages above which requests get a 403.
        cursors_work: Returns whether a cursor is accepted, given the number of requested pages.
        on_page: Called with each request for a page; it can return another response.
        change: Changes each page.
        bounds_work: Whether the time bounds of requests are applied.
        oldest_cursor: The number of the page before which cursors have expired.
        expired: The number of expired cursors that were received.
        documents: The number of requested conversations.
        before_document: An event to wait for before a conversation is sent.
        held: The ids of conversations whose details are never sent.
    """

    def __init__(self, starts: Mapping[str, int], *, order: Sequence[str] | None = None, page_size: int = 100) -> None:
        self.starts = dict(starts)
        self.order = sorted(starts, key=lambda each: -self.starts[each]) if order is None else list(order)
        self.page_size = page_size
        self.listed: set[str] = set()
        self.pages = 0
        self.most_pages = 20_000
        self.cursors_work: Callable[[int], bool] = lambda _: True
        self.on_page: Callable[[web.Request], web.Response | None] = lambda _: None
        self.change: Callable[[dict[str, Any]], object] = lambda _: None
        self.bounds_work = True
        self.oldest_cursor = 0
        self.expired = 0
        self.documents = 0
        self.held: set[str] = set()
        self.before_document = asyncio.Event()
        self.before_document.set()

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/v1/convai/conversations", self._list)
        application.router.add_get("/v1/convai/conversations/{id}", self._get)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def client(self) -> ConvAIClient:
        return ConvAIClient("a-key-of-a-test", base_url=self.url, retry=RetryPolicy(wait_initial=0, wait_max=0))

    async def _list(self, request: web.Request) -> web.Response:
        self.pages += 1
        if self.pages > self.most_pages:
            return web.Response(status=403)  # ends a harvest that would never end
        if (response := self.on_page(request)) is not None:
            return response
        first, given = map(int, request.query.get("cursor", "0.0").split("."))
        expired = first > 0 and given < self.oldest_cursor
        self.expired += expired
        if expired or (first and not self.cursors_work(self.pages)):
            return web.json_response({"detail": {"message": "the cursor has expired"}}, status=400)
        after = int(request.query.get("call_start_after_unix", "0"))
        before = int(request.query.get("call_start_before_unix", str(2**40)))
        size = min(self.page_size, int(request.query["page_size"]))
        found = [each for each in self.order if not self.bounds_work or after <= self.starts[each] <= before]
        page = found[first : first + size]
        self.listed.update(page)
        more = first + size < len(found)
        listing: dict[str, Any] = {
            "conversations": [self._line(each) for each in page],
            "next_cursor": f"{first + size}.{self.pages}" if more else None,
            "has_more": more,
        }
        self.change(listing)
        return web.json_response(listing)

    def _line(self, conversation_id: str) -> dict[str, object]:
        return {
            "conversation_id": conversation_id,
            "agent_id": "agent_1",
            "start_time_unix_secs": self.starts[conversation_id],
            "call_duration_secs": 1,
            "message_count": 0,
            "status": "done",
            "call_successful": "success",
        }

    async def _get(self, request: web.Request) -> web.Response:
        self.documents += 1
        conversation_id = request.match_info["id"]
        await self.before_document.wait()
        if conversation_id in self.held:
            await asyncio.Event().wait()
        if conversation_id not in self.starts:
            return web.json_response({"detail": "Not Found"}, status=404)
        metadata = {"start_time_unix_secs": self.starts[conversation_id], "call_duration_secs": 1}
        document = {"conversation_id": conversation_id, "agent_id": "agent_1", "status": "done", "transcript": []}
        return web.json_response({**document, "metadata": metadata})
