"""Read the list in windows, several at once.

A cursor is no checkpoint: nobody knows how long it lives. A window of time is. Since a list runs from new to
old, every page completes a window: from the page's last conversation up to the page before. What has been read
is such windows, and what is still to be read is what lies between them.

Several listers work side by side. One that has nothing to do takes the older half of what another has before
it: so the list is split where it is dense, and its beginning is found by halving, without being told.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import msgspec

from convai_async.calls import MAX_PAGE_SIZE
from convai_async.harvest.windows import Window, may_lie_in
from convai_async.models import ConversationSummary
from convai_async.models._time import credible_start, latest_start

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from convai_async.client import ConvAIClient


_WORTH_SPLITTING = 2 * MAX_PAGE_SIZE
"""Conversations that are expected to be still to come."""


class ListedWindow(msgspec.Struct, frozen=True):
    """A window whose conversations are all known.

    Attributes:
        window: The window.
        summaries: The conversations in it.
        newest: Whether nothing newer was listed.
    """

    window: Window
    summaries: list[ConversationSummary]
    newest: bool = False


class Stretch(msgspec.Struct, eq=False):
    """A window that somebody is reading, from its end to its start.

    Attributes:
        start: Its first second; rises when somebody else takes the older half.
        end: Where what is still to be read ends, in unix seconds; falls with every page. None is open.
        seen: Conversations that were listed.
        newest: When the newest of them started.
        ordered: Whether they came from new to old.
    """

    start: int
    end: int | None
    seen: int = 0
    newest: int | None = None
    ordered: bool = True

    @property
    def rest(self) -> Window:
        """What is still to be read."""
        return Window(self.start, self.end)

    def expected(self) -> float:
        """Return how many conversations are probably still to come, going by those that came."""
        if self.newest is None or self.end is None or not self.ordered:
            return 0.0
        return self.seen * (self.end - self.start) / max(self.newest + 1 - self.end, 1)


class Board:
    """Which stretches are to be read, and who reads what.

    Args:
        windows: What is to be read; the newest is begun first.
    """

    def __init__(self, windows: Iterable[Window]) -> None:
        self._waiting = [Stretch(window.start, window.end) for window in windows]
        self._active: list[Stretch] = []
        self._changed = anyio.Event()

    async def take(self) -> Stretch | None:
        """Return a stretch to read, when there is one; None when everything is read."""
        while True:
            stretch = self._waiting.pop() if self._waiting else self._split()
            if stretch is not None:
                self._active.append(stretch)
                return stretch
            if not self._active:
                return None
            await self._changed.wait()

    def done(self, stretch: Stretch) -> None:
        """Note that a stretch has been read."""
        self._active.remove(stretch)
        self.wake()

    def wake(self) -> None:
        """Let those who wait for a stretch look again."""
        self._changed.set()
        self._changed = anyio.Event()

    def expected(self) -> float:
        """Return how many conversations are probably still to be listed, in the stretches that were begun."""
        return sum(stretch.expected() for stretch in self._active)

    def remaining(self) -> list[Window]:
        """Return what has not been read yet."""
        return [stretch.rest for stretch in (*self._waiting, *self._active)]

    def _split(self) -> Stretch | None:
        fullest = max(self._active, key=Stretch.expected, default=None)
        if fullest is None or fullest.end is None or fullest.expected() < _WORTH_SPLITTING:
            return None
        middle = fullest.start + (fullest.end - fullest.start) // 2
        if middle in {fullest.start, fullest.end}:
            return None
        older = Stretch(fullest.start, middle)
        fullest.start = middle
        return older


async def read_stretch(client: ConvAIClient, stretch: Stretch, agent_id: str) -> AsyncGenerator[ListedWindow, None]:
    """Yield the windows of a stretch as its pages complete them, from new to old.

    The service does not say which of its two bounds are inclusive: it is asked for a second more, and what
    lies outside is left out. A list that is not from new to old is read to its end before anything is yielded.
    No window reaches beyond the newest conversation into the future: of that, nothing is known.

    Raises:
        ConvAIError: A page cannot be read. What was yielded is complete; ``stretch.rest`` is what remains.
    """
    whole = stretch.rest
    now = time.time()
    latest = latest_start(now)
    paginator = client.conversations.list(
        agent_id=agent_id or None,
        call_start_after_unix=whole.start - 1 if whole.start > 0 else None,
        call_start_before_unix=whole.end,
    )
    # Conversations of the last second on a page can go on on the next one: they wait for it.
    waiting: dict[str, ConversationSummary] = {}
    oldest: int | None = None
    async with aclosing(paginator.pages()) as pages:
        async for page in pages:
            for summary in page:
                start = credible_start(summary.start_time_unix_secs, latest)
                if start is None or start in whole:
                    waiting[summary.conversation_id] = summary
                    stretch.seen += 1
                if start is not None and start in whole:
                    stretch.ordered = stretch.ordered and (oldest is None or start <= oldest)
                    oldest = start if oldest is None else min(start, oldest)
                    stretch.newest = start if stretch.newest is None else max(start, stretch.newest)
            if stretch.ordered and oldest is not None:
                yield _cut_off(stretch, waiting, oldest + 1, now)
                if stretch.end == stretch.start:
                    return  # somebody else reads the rest
    yield _cut_off(stretch, waiting, stretch.start, now)


def _cut_off(stretch: Stretch, waiting: dict[str, ConversationSummary], start: int, now: float) -> ListedWindow:
    """Complete the window from ``start`` to the end of the stretch, and take its conversations out of the waiting."""
    end = stretch.end
    newest = end is None or end > now
    if end is None or end > now:
        end = stretch.start if stretch.newest is None else stretch.newest + 1
    window = Window(max(start, stretch.start), end)
    complete = [
        summary for summary in waiting.values() if may_lie_in(window, summary.start_time_unix_secs, latest_start(now))
    ]
    for summary in complete:
        del waiting[summary.conversation_id]
    stretch.end = window.start
    return ListedWindow(window, complete, newest)
