"""Listing in windows: what is said to be read is read, whatever the service does."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async import ConvAIClient
from convai_async.harvest import Window
from convai_async.harvest._listing import Board, ListedWindow, Stretch, read_stretch
from convai_async.harvest.windows import merged
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from typing import Any


async def read_all(fake: FakeConvAI, window: Window, listers: int = 1, agent_id: str = "") -> list[ListedWindow]:
    """Read a window with so many listers, and return what they say is complete."""
    board = Board([window])
    complete: list[ListedWindow] = []

    async def work(client: ConvAIClient) -> None:
        while (stretch := await board.take()) is not None:
            async for listed in read_stretch(client, stretch, agent_id):
                complete.append(listed)
                board.wake()
            board.done(stretch)

    async with ConvAIClient(fake.api_key, base_url=fake.url) as client, anyio.create_task_group() as group:
        for _ in range(listers):
            group.start_soon(work, client)
    assert board.remaining() == []
    return complete


def check(fake: FakeConvAI, window: Window, complete: list[ListedWindow]) -> None:
    expected = {
        conversation_id: fake.conversations[conversation_id].start
        for conversation_id in fake.conversations
        if fake.conversations[conversation_id].start in window
    }
    listed = [(each.window, summary) for each in complete for summary in each.summaries]
    assert sorted(summary.conversation_id for _, summary in listed) == sorted(expected)
    for part, summary in listed:
        assert summary.start_time_unix_secs is not None
        assert summary.start_time_unix_secs in part, "a window has its own conversations only"
    newest = max(expected.values(), default=window.start - 1)
    end = newest + 1 if window.end is None else window.end
    assert merged(each.window for each in complete) == merged([Window(window.start, end)])


@given(
    starts=st.lists(st.integers(100, 160), max_size=40),
    window=st.tuples(st.integers(0, 170), st.none() | st.integers(0, 170)).map(lambda pair: Window(*pair)),
    listers=st.integers(1, 4),
)
def test_every_conversation_of_a_window_is_listed_once_in_the_window_it_belongs_to(
    starts: list[int], window: Window, listers: int
) -> None:
    async def run() -> None:
        async with FakeConvAI(conversations=0) as fake:
            for start in starts:
                fake.add(start=start)
            check(fake, window, await read_all(fake, window, listers))

    if not window.empty:
        anyio.run(run)


async def test_a_dense_list_is_split_and_its_beginning_is_found_without_being_told() -> None:
    async with FakeConvAI(conversations=3000, days=400, latency=0.02) as fake:
        complete = await read_all(fake, Window(0, None), listers=4)
        check(fake, Window(0, None), complete)
        assert fake.peak_in_flight in {3, 4}, "a slow machine rarely has all of them waiting at the same time"
        assert len(fake.requests) < 3000 / 100 + 40
        asked = {dict(request.query).get("call_start_before_unix") for request in fake.requests}
        assert len(asked) > 4, "windows, and not one chain of cursors"


async def test_many_calls_in_the_same_second_are_all_listed() -> None:
    async with FakeConvAI(conversations=0) as fake:
        for start in [50] * 250 + [51] * 130 + [10]:
            fake.add(start=start)
        for listers in (1, 4):
            check(fake, Window(0, None), await read_all(fake, Window(0, None), listers))
            check(fake, Window(50, 51), await read_all(fake, Window(50, 51), listers))


async def test_a_list_that_is_in_no_order_is_read_to_its_end_before_anything_is_said() -> None:
    def shuffle(page: dict[str, Any]) -> None:
        random.Random(3).shuffle(page["conversations"])

    async with FakeConvAI(conversations=450) as fake:
        fake.faults.add(faults.change(shuffle), times=None)
        complete = await read_all(fake, Window(0, None), listers=3)
        check(fake, Window(0, None), complete)


async def test_empty_pages_and_unknown_starts_are_no_end() -> None:
    def forget_a_start(page: dict[str, Any]) -> None:
        if page["conversations"]:
            page["conversations"][0]["start_time_unix_secs"] = None

    async with FakeConvAI(conversations=250) as fake:
        fake.faults.add(faults.empty_page(), times=3)
        fake.faults.add(faults.change(forget_a_start), times=2)
        complete = await read_all(fake, Window(0, None))
        ids = [summary.conversation_id for each in complete for summary in each.summaries]
        assert sorted(ids) == sorted(fake.conversations)


async def test_what_remains_of_a_stretch_can_be_read_after_an_error() -> None:
    async with FakeConvAI(conversations=450) as fake:
        async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
            stretch = Stretch(0, None)
            complete = []
            fake.faults.add(faults.drop(), operation="list_conversations", times=0)
            for _ in range(20):
                try:
                    async for listed in read_stretch(client, stretch, ""):
                        complete.append(listed)
                        if len(complete) in {1, 3}:
                            fake.faults.add(faults.status(500))
                    break
                except Exception:  # noqa: BLE001 - as the harvest does
                    continue
        check(fake, Window(0, None), complete)


@pytest.mark.parametrize("window", [Window(0, None), Window(5, 9)])
async def test_a_list_without_conversations_says_so(window: Window) -> None:
    async with FakeConvAI(conversations=0) as fake:
        complete = await read_all(fake, window, listers=3)
        assert [summary for each in complete for summary in each.summaries] == []
        assert merged(each.window for each in complete) == ([] if window.end is None else [window])
