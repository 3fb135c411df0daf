"""Ranges of time for which the list was read, or is still to be read."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import msgspec

from convai_async._support.timestamps import credible_start_or_none
from convai_async._support.validate import to_unix_seconds
from convai_async.archive._sql import to_struct

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from convai_async.archive._connection import Connection

BEGINNING = 0
"""The start of a window without a lower bound, in Unix seconds."""


def parse_start_bound(name: str, value: date | int | None) -> int | None:
    """Return a bound for the start of conversations in Unix seconds; a date is its midnight in UTC.

    Raises:
        InvalidArgumentError: It is a datetime without a time zone, or not a time.
    """
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    return to_unix_seconds(name, value, up=True)


class Window(msgspec.Struct, frozen=True, order=True):
    """A half-open range of time in which conversations started.

    Attributes:
        start: The first second, in Unix seconds.
        end: The second after the last one, in Unix seconds; None means no end.
    """

    start: int
    end: int | None

    @property
    def is_empty(self) -> bool:
        """Whether the range contains no time."""
        return self.end is not None and self.start >= self.end

    def __contains__(self, moment: int) -> bool:
        """Return whether a time in Unix seconds is in the range."""
        return self.start <= moment and (self.end is None or moment < self.end)


def may_be_in(window: Window, start: int | None, latest: int) -> bool:
    """Return whether a conversation with this start is in a window; without a credible start, it is in every one."""
    start = credible_start_or_none(start, latest)
    return start is None or start in window


def merge_windows(windows: Iterable[Window]) -> list[Window]:
    """Merge windows that overlap or touch, and return them oldest first."""
    result: list[Window] = []
    for window in sorted((window for window in windows if not window.is_empty), key=lambda window: window.start):
        last = result[-1] if result else None
        if last is None or (last.end is not None and last.end < window.start):
            result.append(window)
        elif last.end is not None and (window.end is None or window.end > last.end):
            result[-1] = Window(last.start, window.end)
    return result


def read_windows(connection: Connection, agent_ids: Collection[str]) -> list[Window]:
    """Return the ranges for which the lists of these agents were read, oldest first; "" stands for all agents."""
    rows = connection.execute("SELECT agent_id, start_unix_secs, end_unix_secs FROM windows")
    return merge_windows(to_struct(Window, span) for agent_id, *span in rows if agent_id in agent_ids)


def subtract_windows(window: Window, windows: Iterable[Window]) -> list[Window]:
    """Return the parts of a window that are in none of the others, oldest first."""
    result: list[Window] = []
    start = window.start
    for other in merge_windows(windows):
        result.append(_cut_window(Window(start, other.start), window.end))
        if other.end is None:
            return _drop_empty(result)
        start = max(start, other.end)
    result.append(Window(start, window.end))
    return _drop_empty(result)


def _cut_window(window: Window, end: int | None) -> Window:
    return window if end is None or (window.end is not None and window.end <= end) else Window(window.start, end)


def _drop_empty(windows: list[Window]) -> list[Window]:
    return [window for window in windows if not window.is_empty]
