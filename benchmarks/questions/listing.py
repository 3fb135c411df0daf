"""Reading the whole list, when each page takes its time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.clients import KEY
from benchmarks.question import Question, Setting
from convai_async import ConvAIClient
from convai_async.harvest._listing import Board, read_stretch
from convai_async.harvest._run import LISTERS
from convai_async.harvest.windows import BEGINNING, Window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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


async def in_windows(setting: Setting) -> float:
    """List as a harvest does."""
    async with ConvAIClient(KEY, base_url=setting.url) as client:
        board = Board([Window(BEGINNING, None)])
        seen: set[str] = set()

        async def lister() -> None:
            while (stretch := await board.take()) is not None:
                async for listed in read_stretch(client, stretch, ""):
                    seen.update(summary.conversation_id for summary in listed.summaries)
                    board.wake()
                board.done(stretch)

        began = time.perf_counter()
        await asyncio.gather(*(lister() for _ in range(LISTERS)))
        _check(len(seen))
        return time.perf_counter() - began


WHOLE_LIST = Question(
    asks=f"Listing {_CONVERSATIONS:,} conversations at {_SECONDS_A_PAGE * 1000:.0f} ms a page",
    unit="s",
    contenders={
        "in windows, as a harvest does": in_windows,
        "iterating": one_after_the_other,
        f"iterating with prefetch, and {_WORK_A_PAGE * 1000:.0f} ms of work a page": prefetched,
    },
    rounds=1,
    conversations=_CONVERSATIONS,
    seconds_a_reply=_SECONDS_A_PAGE,
)
