"""Windows of time: which stretches of the list have been read, and which are still to be."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import msgspec

from convai_async import endpoints
from convai_async._support.timestamps import credible_start

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGINNING = 0
"""The start of a window without a lower bound, in unix seconds."""


def start_bound(name: str, value: date | int | None) -> int | None:
    """Return a bound of when conversations started in unix seconds; a date is its midnight in UTC.

    Raises:
        InvalidArgumentError: It is a datetime without a time zone, or no moment at all.
    """
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    return endpoints.to_unix_seconds(name, value, up=True)


class Window(msgspec.Struct, frozen=True, order=True):
    """A half-open stretch of time in which conversations started.

    Attributes:
        start: Its first second, in unix seconds.
        end: The second after its last one, in unix seconds; None is open: whatever starts from then on.
    """

    start: int
    end: int | None

    @property
    def empty(self) -> bool:
        """Whether no moment lies in it."""
        return self.end is not None and self.start >= self.end

    def __contains__(self, moment: int) -> bool:
        """Tell whether a moment, in unix seconds, lies in it."""
        return self.start <= moment and (self.end is None or moment < self.end)


def may_lie_in(window: Window, start: int | None, latest: int) -> bool:
    """Tell whether a conversation with this start belongs to a window; one without a credible start does to each."""
    start = credible_start(start, latest)
    return start is None or start in window


def merged(windows: Iterable[Window]) -> list[Window]:
    """Return the same moments as few windows as possible, from old to new."""
    result: list[Window] = []
    for window in sorted((window for window in windows if not window.empty), key=lambda window: window.start):
        last = result[-1] if result else None
        if last is None or (last.end is not None and last.end < window.start):
            result.append(window)
        elif last.end is not None and (window.end is None or window.end > last.end):
            result[-1] = Window(last.start, window.end)
    return result


def without(window: Window, windows: Iterable[Window]) -> list[Window]:
    """Return what of a window lies in none of the others, from old to new."""
    result: list[Window] = []
    start = window.start
    for other in merged(windows):
        result.append(_earlier(Window(start, other.start), window.end))
        if other.end is None:
            return _not_empty(result)
        start = max(start, other.end)
    result.append(Window(start, window.end))
    return _not_empty(result)


def _earlier(window: Window, end: int | None) -> Window:
    return window if end is None or (window.end is not None and window.end <= end) else Window(window.start, end)


def _not_empty(windows: list[Window]) -> list[Window]:
    return [window for window in windows if not window.empty]
