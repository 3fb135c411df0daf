"""Read lists page by page.

A paginator sends nothing until it is awaited or iterated. Each iteration starts with the first page.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import msgspec

from convai_async._support.tasks import background
from convai_async._support.validate import validate_integer
from convai_async.endpoints import Page
from convai_async.errors import PaginationError

if TYPE_CHECKING:
    from convai_async._support.tasks import Put, Results
    from convai_async.endpoints import Request

T = TypeVar("T")

_logger = logging.getLogger("convai_async")

_MAX_PAGES = 1_000_000
_MAX_EMPTY_PAGES = 1_000
"""In a row."""
_MAX_CURSOR_CHARS = 8_192

Send = Callable[["Request[Page[T]]"], Awaitable[Page[T]]]


class Paginator(Generic[T]):
    """A list of the service that is read page by page.

    - ``await paginator``: return the first page.
    - ``async for item in paginator``: iterate over the items of all pages.
    - ``async for page in paginator.pages(cursor=saved)``: iterate over the pages, from a saved cursor.
    - ``await paginator.collect(max_items=500)``: return the items as a list.
    - ``paginator.limit(500)``: return a paginator that ends after 500 items.
    - ``async with paginator.prefetch(pages=2) as items``: iterate over the items while the next pages load.

    All of them raise the error of a request when its retries have failed, and `PaginationError` when the cursors of
    the service are inconsistent. Items that cannot be decoded are in `Page.undecodable` instead of `Page.items`. Their
    number is logged as a WARNING with the endpoint.
    """

    def __init__(self, send: Send[T], request: Request[Page[T]], *, max_items: int | None = None) -> None:
        self._send = send
        self._request = request
        self._max_items = max_items

    def __repr__(self) -> str:
        return f"<Paginator of {self._request.path}>"

    def __await__(self) -> Generator[None, None, Page[T]]:
        return self._first_page().__await__()

    async def _first_page(self) -> Page[T]:
        return _truncate(await self._fetch(self._request), _or_infinity(self._max_items))

    async def __aiter__(self) -> AsyncIterator[T]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for item in page.items:
                    yield item

    async def pages(self, *, cursor: str | None = None) -> AsyncGenerator[Page[T], None]:
        """Yield the pages one by one.

        Args:
            cursor: Start with the page after this one: the ``next_cursor`` of a page. By default, start with the first
                page. The service does not document how long a cursor is valid.

        Raises:
            PaginationError: A page has ``has_more`` but no cursor, a cursor repeats, or the list does not end: it has
                more than a million pages, or a thousand in a row without an item.
            InvalidArgumentError: ``cursor`` cannot be part of a URL.
        """
        request = self._request if cursor is None else self._request.with_query(cursor=cursor)
        # The hash of each cursor, with that of the first item of the page before it, to save memory. The page before a
        # saved cursor is not known.
        seen: dict[int, int | None] = {hash(dict(request.query).get("cursor")): None}
        empty_pages = 0
        remaining = _or_infinity(self._max_items)
        while remaining > 0:
            page = await self._fetch(request)
            following = hash(page.next_cursor)
            first_item = hash(msgspec.json.encode(page.items[:1]))
            leads_back = page.has_more and page.next_cursor is not None and following in seen
            # If the service repeats an earlier response, its items are not yielded again.
            if not leads_back or seen[following] not in {first_item, None}:
                yield _truncate(page, remaining)
                remaining -= len(page)
            if not page.has_more or remaining <= 0:
                return
            if leads_back:
                raise self._build_error("the service sent the cursor of an earlier page again")
            empty_pages = 0 if page.items or page.undecodable else empty_pages + 1
            if len(seen) == _MAX_PAGES or empty_pages == _MAX_EMPTY_PAGES:
                raise self._build_error(
                    f"the list does not end: {len(seen):,} pages, the last {empty_pages:,} of them without an item"
                )
            seen[following] = first_item
            request = self._request.with_query(cursor=self._next_cursor(page))

    async def _fetch(self, request: Request[Page[T]]) -> Page[T]:
        page = await self._send(request)
        if page.undecodable:
            _logger.warning("%s: items of a page that cannot be decoded: %d", request.path, len(page.undecodable))
        return page

    def _next_cursor(self, page: Page[T]) -> str:
        if not page.next_cursor:
            raise self._build_error("the service reports more items but sent no cursor for them")
        if len(page.next_cursor) > _MAX_CURSOR_CHARS:
            raise self._build_error(f"the service sent a cursor of more than {_MAX_CURSOR_CHARS:,} characters")
        return page.next_cursor

    def _build_error(self, problem: str) -> PaginationError:
        return PaginationError(
            f"{self._request.path}: {problem}; the rest of the list cannot be read: start again from the first page"
        )

    async def collect(self, *, max_items: int | None = None) -> list[T]:
        """Return the items as a list: all of them, or the first ``max_items``.

        Raises:
            InvalidArgumentError: ``max_items`` is not a whole number, or is negative.
        """
        paginator = self if max_items is None else self.limit(max_items)
        return [item async for item in paginator]

    def limit(self, max_items: int) -> Paginator[T]:
        """Return a paginator that ends after ``max_items`` items.

        Raises:
            InvalidArgumentError: ``max_items`` is not a whole number, or is negative.
        """
        validate_integer("max_items", max_items, 0)
        lower = max_items if self._max_items is None else min(max_items, self._max_items)
        return Paginator(self._send, self._request, max_items=lower)

    @asynccontextmanager
    async def prefetch(self, *, pages: int = 2) -> AsyncIterator[AsyncIterator[T]]:
        """Load the next pages while the items of the current page are processed.

        Loading is cancelled when the block ends.

        Args:
            pages: The maximum number of pages to load ahead; 2 by default.

        Yields:
            An async iterator over the items.

        Raises:
            InvalidArgumentError: ``pages`` is not a whole number, or is less than 1.
        """
        validate_integer("pages", pages, 1)
        room = asyncio.Semaphore(pages)

        async def load(put: Put[Page[T]]) -> None:
            async with aclosing(self.pages()) as loading:
                await room.acquire()
                async for page in loading:
                    await put(page)
                    await room.acquire()

        async with background(load, max_results=pages) as loaded:
            yield _Items(loaded, room)


class _Items(Generic[T]):
    """The items of pages that are being loaded. Not a generator: one that is cancelled while it waits has ended.

    Args:
        pages: The pages.
        room: Is released when a page was taken, and lets the next one be loaded.
    """

    def __init__(self, pages: Results[Page[T]], room: asyncio.Semaphore) -> None:
        self._pages = pages
        self._room = room
        self._items: Iterator[T] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            page = await anext(self._pages)
            self._room.release()
            self._items = iter(page.items)


def _or_infinity(max_items: int | None) -> float:
    return math.inf if max_items is None else max_items


def _truncate(page: Page[T], max_items: float) -> Page[T]:
    if max_items >= len(page):
        return page
    # The cursor would skip the items that are cut off.
    return msgspec.structs.replace(page, items=page.items[: int(max_items)], next_cursor=None)
