from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async import Page, Paginator
from convai_async.endpoints import Request, UndecodableItem
from convai_async.errors import InvalidArgumentError, PaginationError, ServerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

CALL: Request[Page[int]] = Request("GET", "/numbers", lambda _: Page([]))


class Pages:
    """Responds to requests from a list of pages; a cursor is the number of a page."""

    def __init__(self, pages: list[list[int]]) -> None:
        self.pages = pages
        self.asked: list[str | None] = []
        self.on_send: Callable[[], None] | None = None

    async def send(self, call: Request[Page[int]]) -> Page[int]:
        cursor = dict(call.query).get("cursor")
        self.asked.append(cursor)
        if self.on_send is not None:
            self.on_send()
        number = int(cursor or 0)
        more = number + 1 < len(self.pages)
        return Page(self.pages[number], str(number + 1) if more else None, more)

    def paginator(self) -> Paginator[int]:
        return Paginator(self.send, CALL)


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=8))
def test_items_of_all_pages_are_yielded_once_and_in_order_despite_empty_pages(pages: list[list[int]]) -> None:
    async def check() -> None:
        items = [item for page in pages for item in page]
        paginator = Pages(pages).paginator()
        assert [item async for item in paginator] == items
        assert await paginator.collect() == items
        assert [page.items async for page in paginator.pages()] == pages
        assert (await paginator).items == pages[0]
        async with paginator.prefetch(pages=3) as prefetched:
            assert [item async for item in prefetched] == items

    asyncio.run(check())


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=8), st.integers(0, 20))
def test_limit_ends_the_list_and_requests_no_further_page(pages: list[list[int]], limit: int) -> None:
    async def check() -> None:
        source = Pages(pages)
        items = [item for page in pages for item in page]
        assert [item async for item in source.paginator().limit(limit)] == items[:limit]
        asked = [len(page) for page in pages[: len(source.asked)]]
        assert sum(asked[:-1]) < limit or limit == 0
        assert await source.paginator().collect(max_items=limit) == items[:limit]
        assert await source.paginator().limit(limit).limit(limit + 5).collect() == items[:limit]

    asyncio.run(check())


async def test_saved_cursor_resumes_after_its_page() -> None:
    source = Pages([[1, 2], [3], [4, 5]])
    saved = None
    async for page in source.paginator().pages():
        saved = page.next_cursor
        break
    assert [page.items async for page in source.paginator().pages(cursor=saved)] == [[3], [4, 5]]


async def test_request_with_a_cursor_starts_there() -> None:
    source = Pages([[1, 2], [3], [4, 5]])
    assert await Paginator(source.send, CALL.with_query(cursor="1")).collect() == [3, 4, 5]


async def test_limit_of_zero_sends_nothing_and_a_page_within_the_limit_keeps_its_cursor() -> None:
    source = Pages([[1, 2], [3]])
    assert await source.paginator().limit(0).collect() == []
    assert source.asked == []
    assert (await source.paginator().limit(2)).next_cursor == "1"
    assert [page.next_cursor async for page in source.paginator().limit(2).pages()] == ["1"]


async def test_each_iteration_starts_from_the_first_page() -> None:
    paginator = Pages([[1], [2]]).paginator()
    assert [item async for item in paginator] == [1, 2]
    assert [item async for item in paginator] == [1, 2]


async def test_paginator_sends_nothing_before_it_is_iterated() -> None:
    source = Pages([[1], [2]])
    paginator = source.paginator()
    assert source.asked == []
    async for _ in paginator:
        break
    assert source.asked == [None]


async def handed_out(paginator: Paginator[int], cursor: str | None = None) -> tuple[list[int], str]:
    """Return the items before the error of a list, and its message."""
    items: list[int] = []
    try:
        async for page in paginator.pages(cursor=cursor):
            items += page.items
    except PaginationError as error:
        return items, str(error)
    pytest.fail(f"no error after {items}")


def paginate(*pages: Page[int]) -> Paginator[int]:
    """Return a paginator whose requests get these pages, one after the other."""
    left = list(pages)

    async def send(_: Request[Page[int]]) -> Page[int]:
        return left.pop(0)

    return Paginator(send, CALL)


@pytest.mark.parametrize("cursor", [None, ""])
async def test_page_with_more_but_no_cursor_raises_after_its_items(cursor: str | None) -> None:
    items, error = await handed_out(paginate(Page([1], "a", has_more=True), Page([2, 3], cursor, has_more=True)))
    assert items == [1, 2, 3]
    assert error == (
        "/numbers: the service reports more items but sent no cursor for them;"
        " the rest of the list cannot be read: start again from the first page"
    )
    items, error = await handed_out(paginate(Page([1], cursor, has_more=True)))
    assert items == [1]
    assert "sent no cursor" in error


async def test_cursor_that_is_too_long_raises_after_the_items_of_its_page() -> None:
    longest, too_long = "c" * 8_192, "c" * 8_193
    items, error = await handed_out(paginate(Page([1], longest, has_more=True), Page([2], too_long, has_more=True)))
    assert items == [1, 2]
    assert error.startswith("/numbers: the service sent a cursor of more than 8,192 characters; ")


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=6), st.data())
def test_repeated_response_yields_no_item_twice(pages: list[list[int]], data: st.DataObject) -> None:
    sent = [Page(items, f"c{number}", has_more=True) for number, items in enumerate(pages)]
    repeated = data.draw(st.sampled_from(sent))
    items, error = asyncio.run(handed_out(paginate(*sent, repeated)))
    assert items == [item for page in pages for item in page]
    assert error.startswith("/numbers: the service sent the cursor of an earlier page again; ")


async def test_repeated_response_with_other_items_after_the_first_yields_no_item_twice() -> None:
    items, error = await handed_out(paginate(Page([1, 2], "a", has_more=True), Page([1, 3], "a", has_more=True)))
    assert items == [1, 2]
    assert "again" in error


async def test_new_items_of_a_page_with_a_repeated_cursor_are_yielded() -> None:
    items, error = await handed_out(
        paginate(Page([1], "a", has_more=True), Page([2], "b", has_more=True), Page([3], "a", has_more=True))
    )
    assert items == [1, 2, 3]
    assert "again" in error


async def test_page_whose_cursor_is_the_saved_one_is_not_yielded() -> None:
    assert (await handed_out(paginate(Page([1], "saved", has_more=True)), "saved"))[0] == []


async def test_last_page_may_repeat_its_own_cursor() -> None:
    last = Page([2], "a", has_more=False)
    assert await paginate(Page([1], "a", has_more=True), last).collect() == [1, 2]
    assert [page.items async for page in paginate(last).pages(cursor="a")] == [[2]]


@pytest.mark.parametrize("cursor", [None, "a"])
async def test_limit_ends_the_list_before_an_inconsistent_cursor_raises(cursor: str | None) -> None:
    pages = [Page([1], "a", has_more=True), Page([2, 3], cursor, has_more=True)]
    assert await paginate(*pages).collect(max_items=3) == [1, 2, 3]
    assert await paginate(*pages).collect(max_items=2) == [1, 2]
    with pytest.raises(PaginationError):
        await paginate(*pages).collect(max_items=4)


def endless(pages_with_items: int) -> Callable[[Request[Page[int]]], Awaitable[Page[int]]]:
    """Responds with a number of pages with an item, and then with empty pages without end."""
    numbers = itertools.count()

    async def send(_: Request[Page[int]]) -> Page[int]:
        number = next(numbers)
        return Page([number] if number < pages_with_items else [], f"c{number}", has_more=True)

    return send


@pytest.mark.parametrize("pages_with_items", [0, 3])
async def test_a_thousand_empty_pages_in_a_row_raise(pages_with_items: int) -> None:
    items, error = await handed_out(Paginator(endless(pages_with_items), CALL))
    assert items == list(range(pages_with_items))
    assert error.startswith(
        f"/numbers: the list does not end: {pages_with_items + 1_000:,} pages, the last 1,000 of them without an item; "
    )


async def test_page_with_only_undecodable_items_does_not_count_as_empty() -> None:
    numbers = itertools.count()

    async def send(_: Request[Page[int]]) -> Page[int]:
        number = next(numbers)
        undecodable = (UndecodableItem(b"null", "Expected `object`"),) if number == 500 else ()
        return Page([], f"c{number}", number < 1_400, undecodable)

    assert await Paginator(send, CALL).collect() == []


async def test_list_with_too_many_pages_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convai_async.pagination._MAX_PAGES", 7)
    items, error = await handed_out(Paginator(endless(100), CALL))
    assert items == list(range(7))
    assert "the list does not end: 7 pages, the last 0 of them" in error


@pytest.mark.parametrize("cycle", [1, 2, 5])
async def test_repeated_cursor_raises(cycle: int) -> None:
    sent = 0

    async def send(_: Request[Page[int]]) -> Page[int]:
        nonlocal sent
        sent += 1
        return Page([sent], f"c{sent % cycle}", has_more=True)

    with pytest.raises(PaginationError, match="again"):
        await Paginator(send, CALL).collect()
    assert sent == cycle + 1


async def test_cursor_equal_to_the_saved_one_raises() -> None:
    async def send(_: Request[Page[int]]) -> Page[int]:
        return Page([1], "saved", has_more=True)

    with pytest.raises(PaginationError):
        async for _ in Paginator(send, CALL).pages(cursor="saved"):
            pass


def test_page_is_a_sequence_and_always_true() -> None:
    page = Page([1, 2], "c", has_more=True)
    assert (list(page), len(page), page[1]) == ([1, 2], 2, 2)
    assert bool(Page([])) is True


@pytest.mark.parametrize("pages", [1, 2, 4])
async def test_prefetch_loads_exactly_as_many_pages_ahead_as_requested(pages: int) -> None:
    source = Pages([[n] for n in range(10)])
    async with source.paginator().prefetch(pages=pages) as items:
        assert await anext(items) == 0
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(source.asked) == 1 + pages


async def test_prefetch_loads_two_pages_ahead_by_default() -> None:
    source = Pages([[n] for n in range(10)])
    async with source.paginator().prefetch() as items:
        assert await anext(items) == 0
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(source.asked) == 3


async def test_leaving_a_prefetch_cancels_loading() -> None:
    loading, cancelled = asyncio.Event(), asyncio.Event()

    async def send(call: Request[Page[int]]) -> Page[int]:
        if not call.query:
            return Page([1], "c", has_more=True)
        loading.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    async with Paginator(send, CALL).prefetch() as items:
        assert await anext(items) == 1
        await loading.wait()
    assert cancelled.is_set()
    with pytest.raises(RuntimeError, match="the `async with` block has ended: iterate inside it"):
        await anext(items)


async def test_error_of_a_prefetched_page_is_raised_after_the_items_before_it() -> None:
    error = ServerError("down", status=500)

    async def send(call: Request[Page[int]]) -> Page[int]:
        if call.query:
            raise error
        return Page([1, 2], "c", has_more=True)

    seen = []

    async def read() -> None:
        async with Paginator(send, CALL).prefetch() as items:
            async for item in items:
                seen.append(item)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(ServerError) as caught:
        await read()
    assert caught.value is error
    assert seen == [1, 2]


async def test_exception_of_the_block_keeps_its_cause() -> None:
    mine, cause = KeyError("mine"), ValueError("cause")
    with pytest.raises(KeyError) as caught:
        async with Pages([[1], [2]]).paginator().prefetch():
            raise mine from cause
    assert caught.value is mine
    assert mine.__cause__ is cause


async def test_foreign_exception_is_not_wrapped_in_a_group() -> None:
    async def send(_: Request[Page[int]]) -> Page[int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with Paginator(send, CALL).prefetch() as items:
            await anext(items)


async def test_cancelling_a_consumer_cancels_prefetching() -> None:
    async def send(_: Request[Page[int]]) -> Page[int]:
        await asyncio.Event().wait()
        raise AssertionError

    async def consume() -> None:
        async with Paginator(send, CALL).prefetch() as items:
            await anext(items)

    task = asyncio.create_task(consume())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    before = asyncio.all_tasks()
    assert len(before) > 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_invalid_numbers_are_refused_by_name() -> None:
    paginator = Pages([[1]]).paginator()
    for number in (-1, 1.5, True, "2", None):
        with pytest.raises(InvalidArgumentError, match=r"^max_items: must be a whole number, 0 or more, got "):
            paginator.limit(number)  # type: ignore[arg-type]
    for number in (0, 1.5, True, "2", None):
        with pytest.raises(InvalidArgumentError, match=r"^pages: must be a whole number, 1 or more, got "):
            await paginator.prefetch(pages=number).__aenter__()  # type: ignore[arg-type]


async def test_truncated_page_has_no_cursor() -> None:
    page = await Pages([[1, 2, 3], [4]]).paginator().limit(2)
    assert (page.items, page.next_cursor, page.has_more) == ([1, 2], None, True)


async def test_cursor_equal_to_that_of_the_request_raises_at_once() -> None:
    async def send(_: Request[Page[int]]) -> Page[int]:
        return Page([1], "here", has_more=True)

    seen = []
    paginator = Paginator(send, CALL.with_query(cursor="here"))
    with pytest.raises(PaginationError):
        seen.extend([item async for item in paginator])
    assert seen == []


async def test_timeout_while_waiting_for_a_prefetched_item_loses_no_item() -> None:
    gate = asyncio.Event()
    pages = Pages([[1, 2], [3]])

    async def send(call: Request[Page[int]]) -> Page[int]:
        await gate.wait()
        return await pages.send(call)

    async with Paginator(send, CALL).prefetch() as items:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await anext(items)
        gate.set()
        assert [item async for item in items] == [1, 2, 3]


async def test_generator_around_a_prefetch_can_be_closed_by_another_task() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        async with Pages([[1, 2], [3]]).paginator().prefetch() as items:
            async for item in items:
                yield item

    generator = numbers()
    assert await anext(generator) == 1
    await asyncio.create_task(generator.aclose())
    await asyncio.sleep(0)


async def test_cancellation_inside_a_request_raises_and_does_not_end_the_list() -> None:
    async def send(_: Request[Page[int]]) -> Page[int]:
        cancelled = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        await cancelled
        raise AssertionError

    async with Paginator(send, CALL).prefetch() as items:
        with pytest.raises(RuntimeError, match="was cancelled"):
            await anext(items)
