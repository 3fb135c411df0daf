"""Reading the whole list, when each page takes its time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import anyio

from benchmarks.clients import KEY
from benchmarks.question import Question, Setting
from convai_async import ConvAIClient
from convai_async.archive._lookups import Scope
from convai_async.archive._windows import BEGINNING, Window
from convai_async.client import get_engine
from convai_async.harvest._ledger import Reading
from convai_async.harvest._listing import LISTERS, ListReader
from convai_async.harvest._outages import OutageGuard
from convai_async.harvest._ranges import RangeScheduler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.endpoints import Page
    from convai_async.harvest._intake import Intake
    from convai_async.models import ConversationSummary

_CONVERSATIONS = 100_000
_SECONDS_A_PAGE = 0.1
_WORK_A_PAGE = 0.09


async def _consume(summaries: AsyncIterator[ConversationSummary], work_a_page: float) -> None:
    count = 0
    async for _ in summaries:
        count += 1
        if count % 100 == 0 and work_a_page:
            await asyncio.sleep(work_a_page)
    _check(count)


def _check(count: int) -> None:
    if count != _CONVERSATIONS:
        raise ValueError(f"{count} conversations of {_CONVERSATIONS}")


async def one_after_the_other(setting: Setting) -> float:
    """Iterate."""
    async with ConvAIClient(KEY, base_url=setting.url) as client:
        began = time.perf_counter()
        await _consume(aiter(client.conversations.list()), 0)
        return time.perf_counter() - began


async def prefetched(setting: Setting) -> float:
    """Iterate with prefetch, and work on each page nearly as long as the next one takes."""
    async with ConvAIClient(KEY, base_url=setting.url) as client:
        began = time.perf_counter()
        async with client.conversations.list().prefetch() as summaries:
            await _consume(summaries, _WORK_A_PAGE)
        return time.perf_counter() - began


class _Everything:
    """Takes the pages of the list, in the place of an archive."""

    is_limited = is_satisfied = False

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def has_room_for(self, _: Page[ConversationSummary]) -> bool:
        """Have room."""
        return True

    def begin(self, window: Window) -> Reading:
        """Begin to read a range."""
        return Reading(window)

    async def ingest(self, _: Reading, page: Page[ConversationSummary]) -> None:
        """Keep the ids."""
        self.ids.update(summary.conversation_id for summary in page)

    async def finish(self, reading: Reading, read: Window) -> None:
        """Do nothing."""

    def give_up(self, reading: Reading) -> None:
        """Do nothing."""

    async def record_unreadable(self, window: Window, error: str, *, attempts: int) -> None:
        """Fail, too."""
        raise ValueError(f"{window}, {attempts} times: {error}")


async def in_ranges(setting: Setting) -> float:
    """List as a harvest does."""
    async with ConvAIClient(KEY, base_url=setting.url) as client:
        stop, intake, window = anyio.Event(), _Everything(), Window(BEGINNING, None)
        guard = OutageGuard(get_engine(client), stop, lambda _problem, _until: None)
        reader = ListReader(Scope(window), guard, cast("Intake", intake), RangeScheduler(), stop)
        began = time.perf_counter()
        await reader.read([window], LISTERS)
        _check(len(intake.ids))
        return time.perf_counter() - began


WHOLE_LIST = Question(
    asks=f"Listing {_CONVERSATIONS:,} conversations at {_SECONDS_A_PAGE * 1000:.0f} ms a page",
    unit="s",
    contenders={
        "in windows, as a harvest does": in_ranges,
        "iterating": one_after_the_other,
        f"iterating with prefetch, and {_WORK_A_PAGE * 1000:.0f} ms of work a page": prefetched,
    },
    rounds=1,
    conversations=_CONVERSATIONS,
    seconds_a_reply=_SECONDS_A_PAGE,
)
