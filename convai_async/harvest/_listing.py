"""Read the list in ranges of time, several at once.

A cursor is not a checkpoint: how long it lives is unknown. A range of time is. A range counts as read only when a
query bounded to it was followed to its last page. In which order conversations come tells how many there probably are,
and nothing else: a range that probably holds many pages is split, and its parts are read side by side.
"""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import anyio
import msgspec

from convai_async import endpoints
from convai_async._support.timestamps import credible_start, latest_start
from convai_async.archive._windows import Window
from convai_async.errors import (
    APIStatusError,
    AuthenticationError,
    ConvAIError,
    PaginationError,
    PermissionDeniedError,
    ResponseTooLargeError,
)
from convai_async.harvest._jobs import Listing, RangeProgress
from convai_async.harvest._outages import OUTAGE_ERRORS, StopRequested
from convai_async.pagination import Paginator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from convai_async.archive._lookups import Scope
    from convai_async.client import ConvAIClient
    from convai_async.endpoints import Page, Request
    from convai_async.harvest._intake import Intake
    from convai_async.harvest._outages import OutageGuard
    from convai_async.models import ConversationSummary

_PAGES_A_PART = 8
_MOST_PAGES = 20
"""A range that probably has more pages, or turns out to have more, is split; so many may wait to be handed on."""
_MOST_EQUAL_PAGES = 64 * _PAGES_A_PART
"""A range that probably has more is not split into equal parts: the guess reaches too far."""
_FEWEST_PARTS_OF_UNKNOWN = 8
_MOST_ATTEMPTS = 3


class Range(msgspec.Struct, eq=False):
    """A part of the list that is to be read.

    Attributes:
        window: When its conversations started.
        expected: How many there probably are.
        attempts: How often it could not be read.
    """

    window: Window
    expected: float = 0.0
    attempts: int = 0


class RangeScheduler:
    """Which ranges are to be read; the newest is read first.

    Args:
        windows: What is to be read, from old to new.
    """

    def __init__(self, windows: Iterable[Window]) -> None:
        self._waiting = deque(Range(window) for window in windows)
        self._reading: set[Range] = set()
        self._stopped: list[Range] = []
        self._changed = anyio.Event()

    async def take(self) -> Range | None:
        """Return the next range to read when there is one, or None when everything was read."""
        while not self._waiting:
            if not self._reading:
                return None
            await self._changed.wait()
        taken = self._waiting.pop()
        self._reading.add(taken)
        return taken

    def done(self, taken: Range) -> None:
        """Note that a range is no longer being read."""
        self._reading.discard(taken)
        self._changed.set()
        self._changed = anyio.Event()

    def split(self, taken: Range, windows: Sequence[Window]) -> None:
        """Put the parts of a range in its place."""
        self._waiting += [Range(window, taken.expected / len(windows)) for window in windows]

    def put_back(self, taken: Range) -> None:
        """Let a range be read again, after all the others."""
        taken.attempts += 1
        self._waiting.appendleft(taken)

    def stop(self, taken: Range) -> None:
        """Note that a range was not read to its end, as the harvest was asked to stop."""
        self._reading.discard(taken)
        self._stopped.append(taken)

    def expected(self) -> float:
        """Return how many conversations the ranges that have not been read to their end probably still have."""
        return sum(each.expected for each in (*self._waiting, *self._reading, *self._stopped))


class ListReader:
    """Reads ranges of the list, and hands on what is listed. Several tasks can `run` it.

    Args:
        scope: Of which conversations.
        guard: Sends the requests.
        intake: Takes what is listed.
        stop: Set when no more pages are to be read.
    """

    def __init__(self, scope: Scope, guard: OutageGuard, intake: Intake, stop: anyio.Event) -> None:
        self._scope = scope
        self._guard = guard
        self._intake = intake
        self._stop = stop
        self._any_page_came = False

    async def run(self, scheduler: RangeScheduler) -> None:
        """Read until a scheduler has nothing left, or nothing more is wanted.

        Raises:
            AuthenticationError, PermissionDeniedError: The key may not read the list.
            APIStatusError: The first request was refused.
            TransportError, ServerError: An outage lasted too long.
            StopRequested: As `OutageGuard.run`.
        """
        while not self._ended and (taken := await scheduler.take()) is not None:
            try:
                await self._read(taken, scheduler)
            finally:
                scheduler.done(taken)

    @property
    def _ended(self) -> bool:
        return self._stop.is_set() or self._intake.satisfied

    async def _read(self, taken: Range, scheduler: RangeScheduler) -> None:
        window = taken.window
        # Whether the service takes its bounds as inclusive is undocumented: it is asked for a second more.
        request = endpoints.list_conversations(
            agent_id=self._scope.agent_id or None,
            call_start_after_unix=window.start - 1 if window.start > 0 else None,
            call_start_before_unix=window.end,
        )
        reading = _Reading(window, time.time())
        paginator = Paginator(partial(self._send, reading), request)
        try:
            async with aclosing(paginator.pages()) as pages:
                async for page in pages:
                    await self._hand_on(reading, wait=self._intake.limited or len(reading.listings) >= _MOST_PAGES)
                    taken.expected = reading.expected_conversations - reading.count if page.has_more else 0
                    if self._stop.is_set():
                        scheduler.stop(taken)
                    if self._ended:
                        return
                    if page.has_more and reading.is_too_long and (parts := reading.split()):
                        await self._give_up(reading)
                        scheduler.split(taken, parts)
                        return
        except StopRequested:
            scheduler.stop(taken)
            raise
        except (_UnreadablePageError, PaginationError) as error:
            await self._give_up(reading)
            if parts := reading.split():
                scheduler.split(taken, parts)
            elif taken.attempts + 1 < _MOST_ATTEMPTS:
                scheduler.put_back(taken)
            else:
                await self._intake.fail(window, str(error), attempts=_MOST_ATTEMPTS)
            return
        await self._hand_on(reading, wait=True)
        await self._intake.finish(reading.progress, reading.read)

    async def _send(self, reading: _Reading, request: Request[Page[ConversationSummary]]) -> Page[ConversationSummary]:
        page = await self._guard.run(partial(_request, request), lambda error: error)
        if isinstance(page, ConvAIError):
            if not self._any_page_came and isinstance(page, APIStatusError) and not page.retryable:
                raise page
            raise _UnreadablePageError(page)
        self._any_page_came = True
        reading.add(page)
        return page

    async def _hand_on(self, reading: _Reading, *, wait: bool) -> None:
        """Hand on what was listed; without waiting, as much as fits into the queue."""
        while reading.listings and (wait or self._intake.has_room_for(reading.listings[0])):
            await self._intake.take(reading.listings.popleft())

    async def _give_up(self, reading: _Reading) -> None:
        await self._hand_on(reading, wait=True)
        self._intake.abandon(reading.progress)


class _UnreadablePageError(ConvAIError):
    """A page of the list could not be read although the service can be reached."""


class _Reading:
    """What one reading of a range has listed.

    Attributes:
        window: The range.
        progress: What the archive's side knows of it.
        listings: Pages that are still to be handed on.
        pages: How many came.
        lines: How many conversations they had.
        within: How many of these started within the bounds that the service was asked for.
        count: How many of these are in the range.
        oldest: When the oldest of them started.
        newest: When the newest of them started.
        latest: The latest credible start.
    """

    def __init__(self, window: Window, now: float) -> None:
        self.window = window
        self.progress = RangeProgress(window)
        self.listings: deque[Listing] = deque()
        self.pages = 0
        self.lines = 0
        self.within = 0
        self.count = 0
        self.latest = self.oldest = latest_start(now)
        self.newest = window.start - 1
        self.open_end = window.end is None or window.end > now
        self._now = int(now)
        self._asked = Window(window.start - 1, None if window.end is None else window.end + 1)

    @property
    def read(self) -> Window:
        """What was read; with an open end up to the newest conversation: nothing is known of the time after it.

        A start may be ahead of this machine's clock, but nobody has read the time that is yet to come.
        """
        return Window(self.window.start, min(self.newest, self._now) + 1) if self.open_end else self.window

    def add(self, page: Page[ConversationSummary]) -> None:
        """Note a page."""
        self.pages += 1
        self.lines += len(page)
        self.listings.append(Listing(self.progress, page.items, page.undecodable))
        for summary in page:
            start = credible_start(summary.start_time_unix_secs, self.latest)
            if start is None:
                continue
            self.within += start in self._asked
            if start in self.window:
                self.count += 1
                self.oldest = min(self.oldest, start)
                self.newest = max(self.newest, start)

    @property
    def expected_pages(self) -> float:
        """How many pages there probably are in all, if the conversations are as close to each other as those listed."""
        return max((self.newest + 1 - self.window.start) / self._seconds_a_page, self.pages) if self.count else 0.0

    @property
    def expected_conversations(self) -> float:
        """How many conversations there probably are in all; of a range that is far too long, those listed so far."""
        return self.expected_pages * self.count / self.pages if self.expected_pages <= _MOST_EQUAL_PAGES else self.count

    @property
    def is_too_long(self) -> bool:
        """Whether to split the range rather than to read on."""
        return self.pages % _MOST_PAGES == 0 or (self.pages == 1 and self.expected_pages > _MOST_PAGES)

    @property
    def _seconds_a_page(self) -> float:
        high = self.newest + 1 if self.window.end is None else self.window.end
        # Of few conversations, their distance from the range's end says more than their distance from each other.
        return max(self.newest - self.oldest, (high - self.oldest) / self.count, 1) / self.pages

    def split(self) -> list[Window]:
        """Return the parts to split the range into: two or more, which together are the range; none if none can be.

        They are equal, unless the range is so long that the number of its conversations cannot be estimated, such as
        one that begins in 1970. Then they double in length towards the past.
        """
        if 2 * self.within < max(self.lines, 1):
            return []  # a service that lists what it was not asked for would do so for each part
        window = self.window
        high = self.newest + 1 if self.count else self.latest
        high = high if window.end is None else min(high, window.end)
        length = high - window.start
        if length <= 0:
            return []
        if self.count and self.expected_pages > _MOST_EQUAL_PAGES:
            first = self._seconds_a_page * _PAGES_A_PART
            starts = {high - int(first * 2**number) for number in range(math.ceil(math.log2(length / first)))}
        else:
            fewest = 2 if self.pages < _MOST_PAGES else _FEWEST_PARTS_OF_UNKNOWN
            count = max(fewest, math.ceil(self.expected_pages / _PAGES_A_PART))
            starts = {window.start + length * number // count for number in range(count)}
        starts = {start for start in starts if window.start < start < high}
        if not starts and high != window.end:
            starts.add(high)
        ordered = sorted(starts | {window.start})
        ends: list[int | None] = [*ordered[1:], window.end]
        return [Window(*bounds) for bounds in zip(ordered, ends, strict=True)] if len(ordered) > 1 else []


async def _request(
    request: Request[Page[ConversationSummary]], client: ConvAIClient
) -> Page[ConversationSummary] | ConvAIError:
    """Return a page, or the error if the service refuses to give this one."""
    try:
        return await client._engine.send(request)  # noqa: SLF001 - with the retries and the limit of this client
    except (AuthenticationError, PermissionDeniedError, *OUTAGE_ERRORS):
        raise
    except (APIStatusError, ResponseTooLargeError) as error:
        return error
