"""Benchmark of reading the whole list."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import anyio

from benchmarks.benchmark import Benchmark, Context
from benchmarks.clients import KEY
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
_PAGE_SECS = 0.1
_WORK_SECS = 0.09


async def _consume(summaries: AsyncIterator[ConversationSummary], work_secs: float) -> None:
    count = 0
    async for _ in summaries:
        count += 1
        if count % 100 == 0 and work_secs:
            await asyncio.sleep(work_secs)
    _check_count(count)


def _check_count(count: int) -> None:
    if count != _CONVERSATIONS:
        raise ValueError(f"listed {count} conversations, expected {_CONVERSATIONS}")


async def iterate(context: Context) -> float:
    """Iterate over the list."""
    async with ConvAIClient(KEY, base_url=context.url) as client:
        began = time.perf_counter()
        await _consume(aiter(client.conversations.list()), 0)
        return time.perf_counter() - began


async def iterate_with_prefetch(context: Context) -> float:
    """Iterate with prefetch, and work on each page for almost as long as the next one takes."""
    async with ConvAIClient(KEY, base_url=context.url) as client:
        began = time.perf_counter()
        async with client.conversations.list().prefetch() as summaries:
            await _consume(summaries, _WORK_SECS)
        return time.perf_counter() - began


class _CollectIds:
    """Collects the listed ids, instead of an archive."""

    is_limited = is_satisfied = False

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def has_room_for(self, _: Page[ConversationSummary]) -> bool:
        """Return True."""
        return True

    def begin(self, window: Window) -> Reading:
        """Return a new reading."""
        return Reading(window)

    async def ingest(self, _: Reading, page: Page[ConversationSummary]) -> None:
        """Collect the ids."""
        self.ids.update(summary.conversation_id for summary in page)

    async def finish(self, reading: Reading, read: Window) -> None:
        """Do nothing."""

    def give_up(self, reading: Reading) -> None:
        """Do nothing."""

    async def record_unreadable(self, window: Window, error: str, *, attempts: int) -> None:
        """Raise an error."""
        raise ValueError(f"{window}, {attempts} times: {error}")


async def list_in_ranges(context: Context) -> float:
    """List in time ranges, as a harvest does."""
    async with ConvAIClient(KEY, base_url=context.url) as client:
        stop, intake, window = anyio.Event(), _CollectIds(), Window(BEGINNING, None)
        guard = OutageGuard(get_engine(client), stop, lambda _problem, _until: None)
        reader = ListReader(Scope(window), guard, cast("Intake", intake), RangeScheduler(), stop)
        began = time.perf_counter()
        await reader.read([window], LISTERS)
        _check_count(len(intake.ids))
        return time.perf_counter() - began


WHOLE_LIST = Benchmark(
    title=f"Time to list {_CONVERSATIONS:,} conversations at {_PAGE_SECS * 1000:.0f} ms per page",
    unit="s",
    implementations={
        "convai_async.harvest": list_in_ranges,
        "iteration": iterate,
        f"iteration with prefetch and {_WORK_SECS * 1000:.0f} ms of work per page": iterate_with_prefetch,
    },
    rounds=1,
    conversations=_CONVERSATIONS,
    response_delay_secs=_PAGE_SECS,
)
