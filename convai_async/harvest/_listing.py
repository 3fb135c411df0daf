"""Read the list in ranges of time, several at once.

Progress is recorded as ranges of time and not as cursors, since the service does not document how long a cursor is
valid. A range counts as read only if all pages of a query for it were read.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, NoReturn

from convai_async import endpoints
from convai_async._support.tasks import task_group
from convai_async.errors import (
    APIStatusError,
    AuthenticationError,
    ConvAIError,
    PaginationError,
    PermissionDeniedError,
    ResponseTooLargeError,
)
from convai_async.harvest._outages import OUTAGE_ERRORS
from convai_async.harvest._ranges import RangeEstimate
from convai_async.harvest._stopping import StopRequested
from convai_async.pagination import Paginator

if TYPE_CHECKING:
    from collections.abc import Iterable

    import anyio

    from convai_async._transport.engine import Engine
    from convai_async.archive._lookups import Scope
    from convai_async.archive._windows import Window
    from convai_async.endpoints import Page, Request
    from convai_async.harvest._intake import Intake
    from convai_async.harvest._ledger import Reading
    from convai_async.harvest._outages import OutageGuard
    from convai_async.harvest._ranges import Range, RangeScheduler
    from convai_async.models import ConversationSummary

LISTERS = 16
"""The maximum number of ranges that are read at the same time."""
_MOST_BUFFERED_PAGES = 20
"""The maximum number of pages of a range that are read ahead while the queue of jobs is full.

Reading must not stop, since the cursor may expire.
"""
_MOST_ATTEMPTS = 3


class ListReader:
    """Reads ranges of the list, and passes their pages to the intake.

    Args:
        scope: The conversations to list.
        guard: Sends the requests.
        intake: Receives the pages.
        ranges: The ranges that are still to be read.
        stop: Set to stop reading.
    """

    def __init__(
        self, scope: Scope, guard: OutageGuard, intake: Intake, ranges: RangeScheduler, stop: anyio.Event
    ) -> None:
        self._scope = scope
        self._guard = guard
        self._intake = intake
        self._ranges = ranges
        self._stop = stop
        self._any_page_came = False

    async def read(self, windows: Iterable[Window], listers: int) -> None:
        """Read windows of the list, until all of them are read or the limit is reached.

        Args:
            windows: The windows, from old to new.
            listers: The maximum number of ranges to read at the same time.

        Raises:
            AuthenticationError, PermissionDeniedError: The API key does not have permission to list conversations.
            APIStatusError: The first request was rejected.
            TransportError, ServerError: An outage lasted too long.
        """
        self._ranges.add(windows)
        async with task_group() as group:
            for _ in range(listers):
                group.start_soon(self._read_ranges)

    async def _read_ranges(self) -> None:
        with suppress(StopRequested):
            while not self._is_ended and (taken := await self._ranges.take()) is not None:
                is_settled = False
                try:
                    is_settled = await self._read_range(taken)
                finally:
                    self._ranges.release(taken, is_settled=is_settled)

    @property
    def _is_ended(self) -> bool:
        return self._stop.is_set() or self._intake.is_satisfied

    async def _read_range(self, taken: Range) -> bool:
        """Read a range, or split it into parts. Return False if reading ended because the run was stopped."""
        window = taken.window
        reading = self._intake.begin(window)
        estimate = RangeEstimate(window, time.time())
        buffer: deque[Page[ConversationSummary]] = deque()
        try:
            async with aclosing(Paginator(self._send, self._request(window)).pages()) as pages:
                async for page in pages:
                    estimate.add(page)
                    buffer.append(page)
                    is_full = self._intake.is_limited or len(buffer) >= _MOST_BUFFERED_PAGES
                    await self._pass_on(reading, buffer, wait=is_full)
                    taken.expected = estimate.conversations_left if page.has_more else 0
                    if self._is_ended:
                        return not self._stop.is_set()
                    if page.has_more and estimate.is_too_long and (parts := estimate.split()):
                        await self._give_up(reading, buffer)
                        self._ranges.split(taken, parts)
                        return True
        except (_UnreadablePageError, PaginationError) as error:
            await self._give_up(reading, buffer)
            if parts := estimate.split():
                self._ranges.split(taken, parts)
            elif taken.attempts + 1 < _MOST_ATTEMPTS:
                self._ranges.put_back(taken)
            else:
                await self._intake.record_unreadable(window, str(error), attempts=_MOST_ATTEMPTS)
            return True
        await self._pass_on(reading, buffer, wait=True)
        await self._intake.finish(reading, estimate.read)
        return True

    def _request(self, window: Window) -> Request[Page[ConversationSummary]]:
        # It is undocumented whether the bounds are inclusive, so the range is one second longer at each end.
        return endpoints.list_conversations(
            agent_id=self._scope.agent_id or None,
            call_start_after_unix=window.start - 1 if window.start > 0 else None,
            call_start_before_unix=window.end,
        )

    async def _send(self, request: Request[Page[ConversationSummary]]) -> Page[ConversationSummary]:
        async def attempt(engine: Engine) -> Page[ConversationSummary]:
            try:
                return await engine.send(request)
            except (AuthenticationError, PermissionDeniedError, *OUTAGE_ERRORS):
                raise
            except (APIStatusError, ResponseTooLargeError) as error:
                self._refuse(error)

        page = await self._guard.retry_through_outage(attempt, self._refuse)
        self._any_page_came = True
        return page

    def _refuse(self, error: ConvAIError) -> NoReturn:
        """Raise the error of a page: unchanged if it rejects the very first request, else as an unreadable page."""
        if not self._any_page_came and isinstance(error, APIStatusError) and not error.retryable:
            raise error
        raise _UnreadablePageError(error) from error

    async def _pass_on(self, reading: Reading, buffer: deque[Page[ConversationSummary]], *, wait: bool) -> None:
        """Pass pages to the intake: all of them, or without ``wait`` as many as fit into the queue."""
        while buffer and (wait or self._intake.has_room_for(buffer[0])):
            await self._intake.ingest(reading, buffer.popleft())

    async def _give_up(self, reading: Reading, buffer: deque[Page[ConversationSummary]]) -> None:
        await self._pass_on(reading, buffer, wait=True)
        self._intake.give_up(reading)


class _UnreadablePageError(ConvAIError):
    """A page of the list could not be read although the service can be reached."""
