"""Schedule the ranges of the list, and split long ones.

A range that probably has many pages is split, and its parts are read concurrently. The number of pages is estimated
from the start times on the pages read so far; nothing else depends on their order.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import anyio
import msgspec

from convai_async._support.timestamps import compute_latest_start, credible_start_or_none
from convai_async.archive._windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from convai_async.endpoints import Page
    from convai_async.models import ConversationSummary

_PAGES_A_PART = 8
_MOST_PAGES = 20
"""A range that probably has more pages, or turns out to have more, is split."""
_MOST_EQUAL_PAGES = 64 * _PAGES_A_PART
"""A range that probably has more pages is not split into equal parts, since the estimate is not reliable."""
_FEWEST_PARTS_OF_UNKNOWN = 8


class Range(msgspec.Struct, eq=False):
    """A part of the list that is to be read.

    Attributes:
        window: The range of time.
        expected: An estimate of the number of conversations in it that are not listed yet.
        attempts: The number of failed attempts to read it.
    """

    window: Window
    expected: float = 0.0
    attempts: int = 0


class RangeScheduler:
    """Schedules the ranges that are still to be read, newest first."""

    def __init__(self) -> None:
        self._waiting: deque[Range] = deque()
        self._reading: set[Range] = set()
        self._unread: list[Range] = []
        self._changed = anyio.Event()

    def add(self, windows: Iterable[Window]) -> None:
        """Add ranges to read, from old to new."""
        self._waiting.extend(map(Range, windows))

    async def take(self) -> Range | None:
        """Wait for the next range to read and return it, or None when all ranges are read."""
        while not self._waiting:
            if not self._reading:
                return None
            await self._changed.wait()
        taken = self._waiting.pop()
        self._reading.add(taken)
        return taken

    def release(self, taken: Range, *, is_settled: bool) -> None:
        """Note that a range is no longer being read.

        Args:
            taken: The range.
            is_settled: Whether it was read or split; False if reading ended because the run was stopped.
        """
        self._reading.discard(taken)
        if not is_settled:
            self._unread.append(taken)
        self._changed.set()
        self._changed = anyio.Event()

    def split(self, taken: Range, windows: Sequence[Window]) -> None:
        """Replace a range by its parts."""
        self._waiting.extend(Range(window, taken.expected / len(windows)) for window in windows)

    def put_back(self, taken: Range) -> None:
        """Schedule a range to be read again, after all others."""
        taken.attempts += 1
        self._waiting.appendleft(taken)

    def expected(self) -> float:
        """Return an estimate of the number of conversations that are not listed yet."""
        return sum(each.expected for each in (*self._waiting, *self._reading, *self._unread))


class RangeEstimate:
    """Estimates the length of a range from its pages so far, and splits it.

    Args:
        window: The range.
        now: The current time in Unix seconds.

    Attributes:
        pages: The number of pages so far.
        entries: The number of conversations on them.
        within: The number of these that started within the requested bounds.
        count: The number of these that are in the range.
        latest: The latest credible start.
    """

    def __init__(self, window: Window, now: float) -> None:
        self.pages = self.entries = self.within = self.count = 0
        self.latest = self._oldest = compute_latest_start(now)
        self._newest = window.start - 1
        self._window = window
        self._now = int(now)
        self._asked = Window(window.start - 1, None if window.end is None else window.end + 1)

    def add(self, page: Page[ConversationSummary]) -> None:
        """Add a page to the estimate."""
        self.pages += 1
        self.entries += len(page)
        for summary in page:
            start = credible_start_or_none(summary.start_time_unix_secs, self.latest)
            if start is None:
                continue
            self.within += start in self._asked
            if start in self._window:
                self.count += 1
                self._oldest = min(self._oldest, start)
                self._newest = max(self._newest, start)

    @property
    def read(self) -> Window:
        """The window that counts as read after the last page.

        If the range has no end, or ends in the future, the window ends after its newest conversation. It never extends
        into the future, even if a start is ahead of this machine's clock.
        """
        start, end = self._window.start, self._window.end
        is_open = end is None or end > self._now
        return Window(start, min(self._newest, self._now) + 1) if is_open else self._window

    @property
    def conversations_left(self) -> float:
        """An estimate of the number of conversations that are left; 0 if the range is too long for an estimate."""
        if self._expected_pages > _MOST_EQUAL_PAGES:
            return 0
        return self._expected_pages * self.count / self.pages - self.count

    @property
    def is_too_long(self) -> bool:
        """Whether to split the range instead of reading more pages."""
        return self.pages % _MOST_PAGES == 0 or (self.pages == 1 and self._expected_pages > _MOST_PAGES)

    @property
    def _expected_pages(self) -> float:
        """An estimate of the number of pages, assuming the same density of conversations as on those so far."""
        if not self.count:
            return 0.0
        return max((self._newest + 1 - self._window.start) / self._seconds_a_page, self.pages)

    @property
    def _seconds_a_page(self) -> float:
        end = self._newest + 1 if self._window.end is None else self._window.end
        # For few conversations, the distance to the end of the range is more reliable than that between them.
        return max(self._newest - self._oldest, (end - self._oldest) / self.count, 1) / self.pages

    def split(self) -> list[Window]:
        """Return the parts to split the range into, from old to new; empty if it cannot be split.

        The parts have the same length, unless the range is too long for an estimate, as one that begins in 1970. Then
        each part is twice as long as the next one.
        """
        if not self.within or 2 * self.within < self.entries:
            return []  # a service that ignores the bounds would do so for each part
        start, end = self._window.start, self._window.end
        high = self._newest + 1 if self.count else self.latest
        high = high if end is None else min(high, end)
        length = high - start
        if length <= 0:
            return []
        if self._expected_pages > _MOST_EQUAL_PAGES:
            first = self._seconds_a_page * _PAGES_A_PART
            starts = {high - int(first * 2**number) for number in range(math.ceil(math.log2(length / first)))}
        else:
            fewest = 2 if self.pages < _MOST_PAGES else _FEWEST_PARTS_OF_UNKNOWN
            parts = max(fewest, math.ceil(self._expected_pages / _PAGES_A_PART))
            starts = {start + length * number // parts for number in range(parts)}
        starts = {each for each in starts if start < each < high}
        if not starts and high != end:
            starts.add(high)
        if not starts:
            return []
        ordered = [start, *sorted(starts)]
        ends: list[int | None] = [*ordered[1:], end]
        return [Window(*bounds) for bounds in zip(ordered, ends, strict=True)]
