"""Ranges of the list: which is read next, and how one is split.

In which order conversations come tells how many there probably are, and nothing else: a range that probably holds many
pages is split, and its parts are read side by side.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import anyio
import msgspec

from convai_async._support.timestamps import credible_start, latest_start
from convai_async.archive._windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from convai_async.endpoints import Page
    from convai_async.models import ConversationSummary

_PAGES_A_PART = 8
_MOST_PAGES = 20
"""A range that probably has more pages, or turns out to have more, is split."""
_MOST_EQUAL_PAGES = 64 * _PAGES_A_PART
"""A range that probably has more is not split into equal parts: the guess reaches too far."""
_FEWEST_PARTS_OF_UNKNOWN = 8


class Range(msgspec.Struct, eq=False):
    """A part of the list that is to be read.

    Attributes:
        window: When its conversations started.
        expected: How many there probably are still to be listed.
        attempts: How often it could not be read.
    """

    window: Window
    expected: float = 0.0
    attempts: int = 0


class RangeScheduler:
    """Knows which ranges are to be read; the newest is read first."""

    def __init__(self) -> None:
        self._waiting: deque[Range] = deque()
        self._reading: set[Range] = set()
        self._unread: list[Range] = []
        self._changed = anyio.Event()

    def add(self, windows: Iterable[Window]) -> None:
        """Add ranges to read, from old to new."""
        self._waiting.extend(map(Range, windows))

    async def take(self) -> Range | None:
        """Return the next range to read when there is one, or None when everything was read."""
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
            is_settled: Whether it needs no more reading; False if it was left because the run has to stop.
        """
        self._reading.discard(taken)
        if not is_settled:
            self._unread.append(taken)
        self._changed.set()
        self._changed = anyio.Event()

    def split(self, taken: Range, windows: Sequence[Window]) -> None:
        """Put the parts of a range in its place."""
        self._waiting.extend(Range(window, taken.expected / len(windows)) for window in windows)

    def put_back(self, taken: Range) -> None:
        """Let a range be read again, after all the others."""
        taken.attempts += 1
        self._waiting.appendleft(taken)

    def expected(self) -> float:
        """Return how many conversations the ranges that were not read to their end probably still have."""
        return sum(each.expected for each in (*self._waiting, *self._reading, *self._unread))


class RangeEstimate:
    """Estimates from the pages that came how long a range is, and splits it.

    Args:
        window: The range.
        now: The time of day, in Unix seconds.

    Attributes:
        pages: How many pages came.
        lines: How many conversations they had.
        within: How many of these started within the bounds that the service was asked for.
        count: How many of these are in the range.
        latest: The latest credible start.
    """

    def __init__(self, window: Window, now: float) -> None:
        self.pages = self.lines = self.within = self.count = 0
        self.latest = self._oldest = latest_start(now)
        self._newest = window.start - 1
        self._window = window
        self._now = int(now)
        self._asked = Window(window.start - 1, None if window.end is None else window.end + 1)

    def add(self, page: Page[ConversationSummary]) -> None:
        """Note a page."""
        self.pages += 1
        self.lines += len(page)
        for summary in page:
            start = credible_start(summary.start_time_unix_secs, self.latest)
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

        With an open end, up to the newest conversation: nothing is known of the time after it. A start may be ahead of
        this machine's clock, but nobody has read the time that is yet to come.
        """
        start, end = self._window.start, self._window.end
        is_open = end is None or end > self._now
        return Window(start, min(self._newest, self._now) + 1) if is_open else self._window

    @property
    def conversations_left(self) -> float:
        """How many conversations there probably are still; 0 for a range that is far too long to say."""
        if self._expected_pages > _MOST_EQUAL_PAGES:
            return 0
        return self._expected_pages * self.count / self.pages - self.count

    @property
    def is_too_long(self) -> bool:
        """Whether to split the range rather than to read on."""
        return self.pages % _MOST_PAGES == 0 or (self.pages == 1 and self._expected_pages > _MOST_PAGES)

    @property
    def _expected_pages(self) -> float:
        """How many pages there probably are in all, if the conversations are as close to each other as those listed."""
        if not self.count:
            return 0.0
        return max((self._newest + 1 - self._window.start) / self._seconds_a_page, self.pages)

    @property
    def _seconds_a_page(self) -> float:
        end = self._newest + 1 if self._window.end is None else self._window.end
        # Of few conversations, their distance from the range's end says more than their distance from each other.
        return max(self._newest - self._oldest, (end - self._oldest) / self.count, 1) / self.pages

    def split(self) -> list[Window]:
        """Return the parts to split the range into: two or more, which together are the range; none if none can be.

        They are equal, unless the range is so long that the number of its conversations cannot be estimated, such as
        one that begins in 1970. Then they double in length towards the past.
        """
        if 2 * self.within < max(self.lines, 1):
            return []  # a service that lists what it was not asked for would do so for each part
        start, end = self._window.start, self._window.end
        high = self._newest + 1 if self.count else self.latest
        high = high if end is None else min(high, end)
        length = high - start
        if length <= 0:
            return []
        if self.count and self._expected_pages > _MOST_EQUAL_PAGES:
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
