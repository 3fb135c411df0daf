"""The list is read whole, whatever its order, and whatever happens to its cursors.

``LIST_CASES=2000 pytest -m slow tests/harvest/test_listing.py`` tries more orders than CI.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tempfile
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import anyio
import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st
from list_server import ListServer

from convai_async import ConvAIClient
from convai_async.archive import Archive, Window
from convai_async.endpoints import MAX_PAGE_SIZE, Page
from convai_async.errors import APIStatusError, AuthenticationError, PermissionDeniedError
from convai_async.harvest import HarvestReport, _listing, _ranges, harvest
from convai_async.harvest._ranges import RangeEstimate, RangeScheduler
from convai_async.models import ConversationSummary
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NEWEST = 1_780_000_000
CASES = int(os.environ.get("LIST_CASES", "25"))


def stored(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT conversation_id FROM conversations")}


def spread(count: int, seconds: int = 60) -> dict[str, int]:
    """So many conversations, the newest first."""
    return {f"conv_{number:05}": NEWEST - seconds * number for number in range(count)}


def displaced(ids: list[str], how_many: int, furthest: int, seed: int) -> list[str]:
    """Put some ids further back in the list than they belong."""
    rng = random.Random(seed)
    order = list(ids)
    for each in rng.sample(ids[: len(ids) - furthest], how_many):
        position = order.index(each)
        order.insert(position + rng.randint(100, furthest), order.pop(position))
    return order


async def killed_after_pages(pages: int, server: ListServer, client: ConvAIClient, path: Path) -> None:
    """Harvest, and be cancelled when so many pages were asked for."""
    reached = asyncio.Event()
    before = server.pages

    def on_page(_: web.Request) -> web.Response | None:
        if server.pages - before >= pages:
            reached.set()
        return None

    server.on_page = on_page
    task = asyncio.create_task(harvest(client, path))
    waiting = asyncio.create_task(reached.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    for each in (task, waiting):
        each.cancel()
    await asyncio.wait([task, waiting])
    server.on_page = lambda _: None


async def stopped_after_pages(pages: int, server: ListServer, client: ConvAIClient, path: Path) -> None:
    """Harvest, and be asked to stop when so many pages were asked for."""
    stop = anyio.Event()
    before = server.pages

    def on_page(_: web.Request) -> web.Response | None:
        if server.pages - before >= pages:
            stop.set()
        return None

    server.on_page = on_page
    await harvest(client, path, stop=stop)
    server.on_page = lambda _: None


@contextmanager
def constants(values: tuple[int, int, int]) -> Iterator[None]:
    """Split lists of a few pages, too."""
    with (
        patch.object(_ranges, "_PAGES_A_PART", values[0]),
        patch.object(_ranges, "_MOST_PAGES", values[1]),
        patch.object(_listing, "_MOST_BUFFERED_PAGES", values[1]),
        patch.object(_ranges, "_MOST_EQUAL_PAGES", values[2]),
    ):
        yield


@pytest.mark.slow
@settings(max_examples=CASES)
@given(
    starts=st.lists(st.one_of(st.integers(0, 40), st.integers(0, 4_000_000)), max_size=60),
    shuffling=st.sampled_from(["newest first", "oldest first", "any", "some displaced"]),
    seed=st.integers(0, 1_000),
    page_size=st.integers(1, 9),
    parts=st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 40)),
    max_concurrency=st.integers(1, 5),
    ends=st.lists(st.tuples(st.sampled_from(["killed", "stopped"]), st.integers(1, 40)), max_size=2),
    cursors=st.sampled_from([1, 1, 1, 0.7, 0]),
)
def test_list_in_any_order_is_stored_completely(
    starts: list[int],
    shuffling: str,
    seed: int,
    page_size: int,
    parts: tuple[int, int, int],
    max_concurrency: int,
    ends: list[tuple[str, int]],
    cursors: float,
) -> None:
    rng = random.Random(seed)
    conversations = {f"conv_{number}": NEWEST - start for number, start in enumerate(starts)}
    order = sorted(conversations, key=lambda each: (conversations[each], each), reverse=shuffling != "oldest first")
    if shuffling == "any":
        rng.shuffle(order)
    elif shuffling == "some displaced" and order:
        for each in rng.sample(order, len(order) // 5):
            order.remove(each)
            order.insert(rng.randrange(len(order) + 1), each)

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "calls.db"
            async with ListServer(conversations, order=order, page_size=page_size) as server, server.client() as client:
                server.cursors_work = lambda _: rng.random() < cursors
                for how, pages in ends:
                    end = killed_after_pages if how == "killed" else stopped_after_pages
                    await end(pages, server, client, path)
                report = await harvest(client, path, max_concurrency=max_concurrency)
                with Archive.open(path) as archive:
                    failed = {failure.conversation_id for failure in archive.failures()}
                    windows = archive.status().windows
                assert server.listed <= stored(path), "what was listed is stored"
                assert report.complete or cursors < 1
                if not report.complete:
                    assert failed
                    unread = set(conversations) - stored(path)
                    assert not any(conversations[each] in window for each in unread for window in windows)
                    return
                assert stored(path) == set(conversations)
                assert all(any(start in window for window in windows) for start in conversations.values())
                if not ends and cursors == 1:
                    assert (report.found, report.fetched) == (len(conversations), len(conversations)), (
                        "each counts once"
                    )
                assert (await harvest(client, path)).fetched == 0

    with constants(parts):
        anyio.run(run)


@pytest.mark.parametrize(("count", "how_many", "furthest"), [(500, 1, 250), (2_000, 20, 1_000)])
@pytest.mark.parametrize("seed", range(3))
async def test_conversations_out_of_order_are_stored(
    tmp_path: Path, count: int, how_many: int, furthest: int, seed: int
) -> None:
    conversations = spread(count)
    order = displaced(list(conversations), how_many, furthest, seed)
    async with ListServer(conversations, order=order) as server, server.client() as client:
        report = await harvest(client, tmp_path / "calls.db")
        assert report.complete
        assert (report.found, report.fetched, report.unchanged) == (count, count, 0)
        assert stored(tmp_path / "calls.db") == set(conversations)


async def test_list_whose_cursors_always_expire_is_read_in_one_run(tmp_path: Path) -> None:
    conversations = spread(1_500)
    async with ListServer(conversations) as server, server.client() as client:
        server.cursors_work = lambda _: False
        report = await harvest(client, tmp_path / "calls.db")
        assert report.complete
        assert (report.found, report.fetched) == (1_500, 1_500)
        assert server.pages < 150


def repeated_cursor(page: dict[str, Any]) -> None:
    page.update(next_cursor="100.0" if page["has_more"] else None)


def no_cursor(page: dict[str, Any]) -> None:
    page.update(next_cursor=None)


@pytest.mark.parametrize("change", [repeated_cursor, no_cursor])
async def test_list_with_contradictory_cursors_is_stored_completely(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    conversations = spread(900)
    async with ListServer(conversations) as server, server.client() as client:
        server.change = change
        report = await harvest(client, tmp_path / "calls.db")
        assert report.complete
        assert stored(tmp_path / "calls.db") == set(conversations)


async def test_unreadable_range_of_one_second_is_a_failure_and_the_rest_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    crowded = {f"same_{number:03}": NEWEST - 7_000 for number in range(150)}
    conversations = spread(300) | crowded
    async with ListServer(conversations) as server, server.client() as client:
        cursors: list[tuple[str | None, ...]] = []
        names = ("call_start_after_unix", "call_start_before_unix")
        server.on_page = lambda request: (
            cursors.append(tuple(map(request.query.get, names))) if "cursor" in request.query else None
        )
        server.cursors_work = lambda _: False
        report = await harvest(client, path)
        assert (report.list_complete, report.complete, report.failed) == (False, False, 3)
        assert cursors.count((str(NEWEST - 7_001), str(NEWEST - 6_999))) == 3
        assert stored(path) == server.listed
        assert stored(path) >= set(spread(300))
        with Archive.open(path) as archive:
            # The seconds beside it, too: bounds are asked for with a second more.
            around = [f"range:{NEWEST - 7_000 + each}-{NEWEST - 6_999 + each}" for each in (-1, 0, 1)]
            assert [(each.conversation_id, each.part) for each in archive.failures()] == [(e, "list") for e in around]
            assert "the cursor has expired" in archive.failures()[1].error
            assert not any(NEWEST - 7_000 in window for window in archive.status().windows)
        server.cursors_work = lambda _: True
        report = await harvest(client, path)
        assert report.complete
        assert stored(path) == set(conversations)
        with Archive.open(path) as archive:
            assert archive.failures() == []


@pytest.mark.parametrize(
    "garbage", [b'{"conversations": [{"conversa', b"<html>log in</html>", b"", b"{}", b"null", b'{"error": "x"}']
)
async def test_pages_with_invalid_json_are_requested_again(tmp_path: Path, garbage: bytes) -> None:
    conversations = spread(350)
    async with ListServer(conversations) as server, server.client() as client:
        server.on_page = lambda _: web.Response(body=garbage) if server.pages in {1, 2, 4} else None
        report = await harvest(client, tmp_path / "calls.db")
        assert report.complete
        assert stored(tmp_path / "calls.db") == set(conversations)


@pytest.mark.parametrize("status", [401, 403])
async def test_key_rejected_in_the_middle_of_the_list_ends_the_run(tmp_path: Path, status: int) -> None:
    async with ListServer(spread(350)) as server, server.client() as client:
        server.on_page = lambda _: web.Response(status=status) if server.pages == 3 else None
        with pytest.raises((AuthenticationError, PermissionDeniedError)):
            await harvest(client, tmp_path / "calls.db", max_concurrency=1)
        assert server.pages == 3


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_rejection_ends_the_run_only_as_the_first_response(tmp_path: Path, status: int) -> None:
    conversations = spread(350)
    async with ListServer(conversations) as server, server.client() as client:
        server.on_page = lambda _: web.Response(status=status)
        with pytest.raises(APIStatusError, match=f"returned {status}"):
            await harvest(client, tmp_path / "calls.db")
        server.pages = 0
        server.on_page = lambda _: web.Response(status=status) if server.pages == 2 else None
        report = await harvest(client, tmp_path / "calls.db")
        assert report.complete
        assert stored(tmp_path / "calls.db") == set(conversations)


@pytest.mark.parametrize("seconds", [60, 3_000])
async def test_split_list_takes_few_more_requests_than_it_has_pages(tmp_path: Path, seconds: int) -> None:
    async with ListServer(spread(600, seconds), page_size=10) as server, server.client() as client:
        await harvest(client, tmp_path / "calls.db")
        assert 65 < server.pages < 100  # it was split, but not into too many parts


async def test_conversations_are_fetched_while_the_list_is_read(tmp_path: Path) -> None:
    same_second = dict.fromkeys(spread(1_200), NEWEST)
    async with ListServer(same_second) as server, server.client() as client:
        documents: list[int] = []
        server.on_page = lambda _: documents.append(server.documents)
        since, until = (datetime.fromtimestamp(each, UTC) for each in (NEWEST, NEWEST + 1))
        await harvest(client, tmp_path / "calls.db", since=since, until=until)
        assert len(documents) == 12
        assert documents[-1] > 0


async def wait_until_listing_pauses(server: ListServer) -> int:
    """Wait until no page was requested for a second, and return how many were."""
    unchanged, pages = 0, -1
    while unchanged < 10:
        await asyncio.sleep(0.1)
        unchanged = unchanged + 1 if pages == server.pages else 0
        pages = server.pages
    return pages


async def test_listers_wait_without_a_cursor_while_nothing_can_be_fetched(tmp_path: Path) -> None:
    conversations = spread(1_200)
    async with ListServer(conversations, page_size=4) as server, server.client() as client:
        server.before_document.clear()
        task = asyncio.create_task(harvest(client, tmp_path / "calls.db", max_concurrency=2))
        pages = await wait_until_listing_pauses(server)
        server.oldest_cursor = pages + 1
        server.before_document.set()
        assert (await task).complete
        assert pages < 2 * MAX_PAGE_SIZE / 4 + 2 * (_listing._MOST_BUFFERED_PAGES + 3), (
            "memory does not grow with the list"
        )
        assert server.expired == 0


async def test_pages_of_a_range_that_cannot_be_split_wait_for_fetchers(tmp_path: Path) -> None:
    same_second = dict.fromkeys(spread(1_200), 1_780_000_000)
    async with ListServer(same_second, page_size=4) as server, server.client() as client:
        server.before_document.clear()
        task = asyncio.create_task(harvest(client, tmp_path / "calls.db", max_concurrency=2))
        pages = await wait_until_listing_pauses(server)
        server.before_document.set()
        assert (await task).fetched == 1_200
        assert pages < 300, "memory does not grow with the list"


@pytest.mark.parametrize("position", [1, 50, 340])
async def test_range_is_recorded_as_read_only_after_its_last_conversation_is_written(
    tmp_path: Path, position: int
) -> None:
    path = tmp_path / "calls.db"
    conversations = spread(350)
    last = list(conversations)[position]  # of the first page or not: that one is listed again in a part
    async with ListServer(conversations) as server, server.client() as client:
        server.held = {last}
        others_written = asyncio.Event()

        def progress(report: HarvestReport) -> None:
            if report.fetched == 349:
                others_written.set()

        task = asyncio.create_task(harvest(client, path, progress=progress))
        async with asyncio.timeout(60):
            await others_written.wait()
            while server.pages < 10:  # the parts are being read
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # and what can be noted is
        task.cancel()
        await asyncio.wait([task])
        assert stored(path) == set(conversations) - {last}
        server.held = set()
        report = await harvest(client, path, lookback=timedelta(0))
        assert report.complete
        assert stored(path) == set(conversations)


async def test_limit_records_only_ranges_read_to_their_end(tmp_path: Path) -> None:
    conversations = spread(4_000)
    async with ListServer(conversations) as server, server.client() as client:
        report = await harvest(client, tmp_path / "calls.db", limit=2_500)
        assert report.complete
        assert stored(tmp_path / "calls.db") == set(list(conversations)[:2_500])
        with Archive.open(tmp_path / "calls.db") as archive:
            (window,) = archive.status().windows
        assert window.end == NEWEST + 1
        assert window.start > NEWEST - 60 * 2_500
        assert server.pages < 60


@pytest.mark.parametrize("known_starts", [True, False])
async def test_list_that_ignores_its_bounds_is_read_and_not_split_forever(tmp_path: Path, known_starts: bool) -> None:
    conversations = spread(60)

    def forget_starts(page: dict[str, Any]) -> None:
        for line in page["conversations"]:
            del line["start_time_unix_secs"]

    async with ListServer(conversations, page_size=2) as server, server.client() as client:
        server.bounds_work = False
        if not known_starts:
            server.change = forget_starts
        report = await harvest(client, tmp_path / "calls.db")
        assert report.complete
        assert (report.found, report.fetched) == (60, 60)
        assert server.pages < 40 * 30


async def test_conversation_without_a_start_in_every_range_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    async with ListServer(spread(6)) as server, server.client() as client:
        server.bounds_work = False
        server.change = lambda page: page["conversations"][3].pop("start_time_unix_secs")
        assert (await harvest(client, path)).found == 6
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM windows")
            gaps = [NEWEST - 250, NEWEST - 150, NEWEST - 50]
            windows = zip([0, *(each + 1 for each in gaps)], [*gaps, NEWEST], strict=True)
            connection.executemany("INSERT INTO windows VALUES ('', ?, ?)", windows)
        report = await harvest(client, path, lookback=timedelta(0), max_concurrency=1)
    assert (report.found, report.unchanged, server.pages) == (2, 2, 7), "this one, and the newest"


@given(
    start=st.integers(0, 500),
    length=st.one_of(st.none(), st.integers(1, 500)),
    listed=st.lists(st.integers(0, 1_000), max_size=8),
    pages=st.integers(1, 30),
    parts=st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 40)),
)
@example(start=500, length=1, listed=[500], pages=30, parts=(1, 1, 1))
@example(start=500, length=None, listed=[500], pages=30, parts=(1, 1, 1))
def test_parts_of_a_split_range_cover_it_without_gaps(
    start: int, length: int | None, listed: list[int], pages: int, parts: tuple[int, int, int]
) -> None:
    window = Window(start, None if length is None else start + length)
    estimate = RangeEstimate(window, 1_000)
    for _ in range(pages):
        estimate.add(Page([ConversationSummary("c", start_time_unix_secs=each) for each in listed]))
    with constants(parts):
        split = estimate.split()
    if split:
        assert len(split) > 1
        assert split[0].start == window.start
        assert split[-1].end == window.end
        assert [each.end for each in split[:-1]] == [each.start for each in split[1:]]
        assert not any(each.is_empty for each in split)
    else:
        assert length == 1 or start >= estimate.latest or 2 * estimate.within < max(estimate.entries, 1)


def estimate_range(window: Window, *pages: Iterable[int], now: int = 100_000) -> RangeEstimate:
    """Return the estimate for pages with these starts."""
    estimate = RangeEstimate(window, now)
    for starts in pages:
        estimate.add(Page([ConversationSummary("c", start_time_unix_secs=each) for each in starts]))
    return estimate


@pytest.mark.parametrize(
    ("end", "pages", "left", "is_too_long"),
    [
        (1_980, [range(1_979, 1_879, -1)], 1_900, False),  # 20 pages of 99 seconds
        (1_981, [range(1_980, 1_880, -1)], 1_981 / 99 * 100 - 100, True),
        (1_990, [range(1_989, 1_889, -1), range(1_889, 1_789, -1)], 2_000 - 200, False),  # 199 seconds for two pages
        (2_000, [[1_400, 1_300]], 1_401 / 350 * 2 - 2, False),  # the last 700 seconds have two
        (2_000, [[1_400] * 30], 2_000 / 20 * 70.05 * 30 / 100 - 30, True),
        (50_688, [range(50_687, 50_587, -1)], 51_100, True),  # 512 pages
        (50_689, [range(50_688, 50_588, -1)], 0, True),
        (None, [[8]], 9 - 1, False),
        (None, [[8, 8]], 9 * 2 - 2, False),
        (3, [[1]] * 19, 19, False),
        (3, [[1]] * 20, 20, True),
        (2_000, [[2_000]], 0, False),
    ],
)
@pytest.mark.parametrize("start", [0, 1_000])
def test_estimate_assumes_the_density_of_the_pages_so_far(
    start: int, end: int | None, pages: list[Iterable[int]], left: float, is_too_long: bool
) -> None:
    window = Window(start, None if end is None else start + end)
    estimate = estimate_range(window, *[[start + each for each in page] for page in pages])
    assert estimate.conversations_left == pytest.approx(left)
    assert estimate.is_too_long is is_too_long


@pytest.mark.parametrize(
    ("window", "pages", "parts"),
    [
        (Window(0, 2_000), [range(1_999, 1_899, -1)], [0, 666, 1_333]),
        (Window(0, 2_000), [[1_400, 1_300]], [0, 700]),  # up to the newest
        (Window(10, None), [[1_400, 1_300]], [10, 705]),
        (Window(10, 20), [[10]], [10, 11]),
        (Window(10, 20), [[9]] * 19, [10, 15]),
        (Window(10, 20), [[9]] * 20, [10, 11, 12, 13, 15, 16, 17, 18]),
        (Window(10, 20), [[9, 8]], [10, 15]),
        (Window(10, 20), [[9, 8, 7]], []),
        (Window(10, 20), [[20, 21]], [10, 15]),
        (Window(10, 20), [[20, 21, 22]], []),
        (Window(10, 20), [[]], []),
        (Window(10, 11), [[10]], []),
        (Window(186_400, None), [[186_399]], []),  # it begins at the latest start that is credible
        (Window(0, 50_688), [range(50_687, 50_587, -1)], list(range(0, 50_688, 792))),
        (Window(0, None), [[1_000] * 30], [0, 489, 745, 873, 937, 969, 985, 993]),  # too long for an estimate
        (Window(0, 1_000), [[900]] * 20, [0, 389, 645, 773, 837, 869, 885, 893, 897, 899]),
    ],
)
def test_range_is_split_into_equal_parts_or_into_shorter_and_shorter_ones(
    window: Window, pages: list[Iterable[int]], parts: list[int]
) -> None:
    split = estimate_range(window, *pages).split()
    assert [each.start for each in split] == parts
    assert [each.end for each in split] == ([*parts[1:], window.end] if parts else [])


@pytest.mark.parametrize(
    ("window", "read"),
    [
        (Window(0, 1_500), Window(0, 1_500)),
        (Window(0, 1_501), Window(0, 1_401)),  # the end is in the future
        (Window(0, None), Window(0, 1_401)),
        (Window(1_401, None), Window(1_401, 1_401)),
    ],
)
def test_range_without_an_end_counts_as_read_up_to_its_newest_conversation(window: Window, read: Window) -> None:
    assert estimate_range(window, [1_300, 1_400], [900], now=1_500).read == read


def test_range_never_counts_as_read_beyond_the_clock() -> None:
    assert estimate_range(Window(0, None), [1_600], now=1_500).read == Window(0, 1_501)


async def test_scheduler_takes_the_newest_range_first_and_ends_when_all_are_read() -> None:
    scheduler = RangeScheduler()
    scheduler.add([Window(0, 5), Window(7, 9)])
    newest = await scheduler.take()
    assert newest is not None
    assert newest.window == Window(7, 9)
    scheduler.split(newest, [Window(7, 8), Window(8, 9)])
    scheduler.release(newest, is_settled=True)
    taken = [await scheduler.take() for _ in range(3)]
    assert [each.window for each in taken if each] == [Window(8, 9), Window(7, 8), Window(0, 5)]
    ended: list[object] = []

    async def take() -> None:
        ended.append(await scheduler.take())

    async with anyio.create_task_group() as group:
        group.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        assert ended == []
        for each in taken:
            assert each is not None
            scheduler.release(each, is_settled=True)
    assert ended == [None]


async def test_scheduler_estimates_how_many_conversations_are_not_listed_yet() -> None:
    scheduler = RangeScheduler()
    scheduler.add([Window(0, 5), Window(7, 9)])
    newest = await scheduler.take()
    assert newest is not None
    assert scheduler.expected() == 0
    newest.expected = 30
    assert scheduler.expected() == 30
    scheduler.split(newest, [Window(7, 8), Window(8, 9)])
    scheduler.release(newest, is_settled=True)
    part = await scheduler.take()
    assert part is not None
    assert (part.expected, scheduler.expected()) == (15, 30)
    scheduler.release(part, is_settled=False)
    assert scheduler.expected() == 30, "it is not read"


async def test_scheduler_gives_a_range_that_was_put_back_after_all_others() -> None:
    scheduler = RangeScheduler()
    scheduler.add([Window(0, 5), Window(7, 9)])
    newest = await scheduler.take()
    assert newest is not None
    scheduler.put_back(newest)
    scheduler.release(newest, is_settled=True)
    taken = [await scheduler.take() for _ in range(2)]
    assert [each.window for each in taken if each] == [Window(0, 5), Window(7, 9)]
    assert newest.attempts == 1


async def test_entries_without_an_id_are_failures_until_they_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    conversations = spread(350)

    def spoil(page: dict[str, Any]) -> None:
        for position, line in enumerate(page["conversations"]):
            if line["conversation_id"] == "conv_00120":
                page["conversations"][position] = None
            if line["conversation_id"] == "conv_00121":
                del line["conversation_id"]

    async with ListServer(conversations) as server, server.client() as client:
        server.change = spoil
        for run in (1, 2):
            report = await harvest(client, path)
            assert (report.found % 350, report.failed, report.list_complete, report.complete) == (0, 2, True, False)
            assert len(stored(path)) == 348
            with Archive.open(path) as archive:
                failures = archive.failures()
                windows = archive.status().windows
            assert [(failure.part, failure.attempts) for failure in failures] == [("list", run), ("list", run)]
            assert all(failure.conversation_id.startswith("line:") for failure in failures)
            assert not any(conversations["conv_00120"] in window for window in windows)
        server.change = lambda _: None
        report = await harvest(client, path)
        assert (report.fetched, report.complete) == (2, True)
        with Archive.open(path) as archive:
            assert archive.failures() == []


async def test_start_ahead_of_the_clock_hides_no_conversation_that_starts_before_it(tmp_path: Path) -> None:
    now = int(time.time())
    path = tmp_path / "calls.db"
    async with ListServer({"ahead": now + 80_000, "earlier": now - 60}) as server, server.client() as client:
        await harvest(client, path, lookback=timedelta(0))
        server.starts["later"] = int(time.time()) + 2
        server.order.insert(1, "later")
        await harvest(client, path, lookback=timedelta(0))
    assert stored(path) == {"ahead", "earlier", "later"}


async def test_run_that_reads_a_part_of_the_list_keeps_failures_of_other_parts(tmp_path: Path) -> None:
    def lose_the_id(page: dict[str, Any]) -> None:
        del page["conversations"][0]["conversation_id"]

    path = tmp_path / "calls.db"
    async with FakeConvAI(conversations=30) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        fake.faults.add(faults.change(lose_the_id), operation="list_conversations", times=None)
        assert not (await harvest(client, path)).complete
        fake.faults.clear()
        tomorrow = datetime.fromtimestamp(fake.conversations[next(iter(fake.conversations))].start + 86_400, UTC)
        assert (await harvest(client, path, since=tomorrow)).complete
        with Archive.open(path) as archive:
            assert [failure.part for failure in archive.failures()] == ["list"]
        assert (await harvest(client, path)).complete
        with Archive.open(path) as archive:
            assert archive.failures() == []
            assert archive.status().conversations == 30
