"""The calls that a report shows one by one: the longest, most expensive and worst, and those with comments."""

from __future__ import annotations

import heapq
from typing import Any

import msgspec

LIST_TITLES = {
    "longest": "Longest calls",
    "most_expensive": "Most expensive calls",
    "worst": "Worst calls",
    "commented": "Comments",
}
"""The title of each of `CallLists`."""

MAX_CALLS = 10
MAX_COMMENTS = 50
_LOW_RATING = 2
_MAX_TEXT_CHARS = 300


class CallEntry(msgspec.Struct, frozen=True):
    """A call in the lists of a report.

    Attributes:
        conversation_id: Its id.
        cell: Its bucket and agent, as in a `Cube`.
        start: When it started, in Unix seconds.
        title: Its generated title, or None.
        outcome: The result of the success evaluation, or its status if it failed.
        seconds: Its duration in seconds, or None.
        cost: Its cost in credits, or None.
        price: Its cost in US dollars, or None.
        rating: The user's rating, or None.
        reason: Why it failed, or why it ended; or None.
        comment: The user's comment, or None.
        failed_criteria: How many evaluation criteria it did not meet.
        failed_tools: How many of its tool calls failed.
    """

    conversation_id: str
    cell: int
    start: int
    title: str | None
    outcome: str
    seconds: float | None
    cost: int | None
    price: float | None
    rating: float | None
    reason: str | None
    comment: str | None
    failed_criteria: int
    failed_tools: int


class CallLists(msgspec.Struct, frozen=True):
    """The lists of calls in a report.

    Attributes:
        longest: The longest, longest first.
        most_expensive: Those that cost most, most expensive first.
        worst: Those that failed, that got a low rating or a dislike, worst first: by result, rating, and the numbers of
            failed criteria and tool calls.
        commented: The newest with a comment, newest first.
    """

    longest: list[CallEntry]
    most_expensive: list[CallEntry]
    worst: list[CallEntry]
    commented: list[CallEntry]


class CallSelector:
    """Selects the calls of the lists from any number of calls."""

    def __init__(self) -> None:
        self._longest = _Top(MAX_CALLS)
        self._most_expensive = _Top(MAX_CALLS)
        self._worst = _Top(MAX_CALLS)
        self._commented = _Top(MAX_COMMENTS)

    def add(self, call: CallEntry, *, is_disliked: bool) -> None:
        """Add a call to the lists that it belongs in."""
        newest = (call.start, call.conversation_id)
        if call.seconds:
            self._longest.add((call.seconds, *newest), call)
        if call.price or call.cost:
            self._most_expensive.add((call.price or 0, call.cost or 0, *newest), call)
        failed = call.outcome in {"failed", "failure"}
        low = call.rating is not None and call.rating <= _LOW_RATING
        if failed or low or is_disliked:
            rating = -call.rating if call.rating is not None else -_LOW_RATING - 0.5
            problems = call.failed_criteria + call.failed_tools + is_disliked
            self._worst.add((failed, rating, problems, *newest), call)
        if call.comment:
            self._commented.add(newest, call)

    def build(self) -> CallLists:
        """Return the lists."""
        return CallLists(self._longest.sort(), self._most_expensive.sort(), self._worst.sort(), self._commented.sort())


class _Top:
    """Keeps the calls with the greatest keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[tuple[Any, ...], CallEntry]] = []

    def add(self, key: tuple[Any, ...], call: CallEntry) -> None:
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, (key, call))
        elif key > self._heap[0][0]:
            heapq.heapreplace(self._heap, (key, call))

    def sort(self) -> list[CallEntry]:
        return [_shorten(call) for _, call in sorted(self._heap, key=lambda each: each[0], reverse=True)]


def _shorten(call: CallEntry) -> CallEntry:
    texts = {name: getattr(call, name) for name in ("title", "reason", "comment")}
    return msgspec.structs.replace(call, **{name: _cut(text) for name, text in texts.items() if text})


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT_CHARS else f"{text[: _MAX_TEXT_CHARS - 1]}…"
