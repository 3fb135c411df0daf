"""The calls that a report lists one by one: the longest, dearest and worst, and those with comments."""

from __future__ import annotations

import heapq
from typing import Any

import msgspec

LISTED_CALLS = 10
LISTED_COMMENTS = 50
_LOW_RATING = 2
_MAX_TEXT_CHARS = 300


class ListedCall(msgspec.Struct, frozen=True):
    """A call that a report lists.

    Attributes:
        conversation_id: Its id.
        cell: Its bucket and agent, as in a `Cube`.
        start: When it started, in Unix seconds.
        title: Its generated title, or None.
        outcome: The result of the success evaluation, or its status if it failed.
        seconds: How long it took, or None.
        cost: What it cost in credits, or None.
        price: What it cost in US dollars, or None.
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
    """The calls that a report lists.

    Attributes:
        longest: The longest, longest first.
        dearest: Those that cost most, dearest first.
        worst: Those that failed, that got a low rating or a dislike, worst first: by result, rating, and the numbers of
            failed criteria and tool calls.
        commented: The newest with a comment, newest first.
    """

    longest: list[ListedCall]
    dearest: list[ListedCall]
    worst: list[ListedCall]
    commented: list[ListedCall]


class CallPicker:
    """Picks the calls to list from any number of calls."""

    def __init__(self) -> None:
        self._longest = _Top(LISTED_CALLS)
        self._dearest = _Top(LISTED_CALLS)
        self._worst = _Top(LISTED_CALLS)
        self._commented = _Top(LISTED_COMMENTS)

    def add(self, call: ListedCall, *, disliked: bool) -> None:
        """Look at a call."""
        newest = (call.start, call.conversation_id)
        if call.seconds:
            self._longest.add((call.seconds, *newest), call)
        if call.price or call.cost:
            self._dearest.add((call.price or 0, call.cost or 0, *newest), call)
        failed = call.outcome in {"failed", "failure"}
        low = call.rating is not None and call.rating <= _LOW_RATING
        if failed or low or disliked:
            rating = -call.rating if call.rating is not None else -_LOW_RATING - 0.5
            problems = call.failed_criteria + call.failed_tools + disliked
            self._worst.add((failed, rating, problems, *newest), call)
        if call.comment:
            self._commented.add(newest, call)

    def build(self) -> CallLists:
        """Return the calls."""
        return CallLists(self._longest.sort(), self._dearest.sort(), self._worst.sort(), self._commented.sort())


class _Top:
    """Keeps the calls with the greatest keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[tuple[Any, ...], ListedCall]] = []

    def add(self, key: tuple[Any, ...], call: ListedCall) -> None:
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, (key, call))
        elif key > self._heap[0][0]:
            heapq.heapreplace(self._heap, (key, call))

    def sort(self) -> list[ListedCall]:
        return [_shorten(call) for _, call in sorted(self._heap, key=lambda each: each[0], reverse=True)]


def _shorten(call: ListedCall) -> ListedCall:
    texts = {name: getattr(call, name) for name in ("title", "reason", "comment")}
    return msgspec.structs.replace(call, **{name: _cut(text) for name, text in texts.items() if text})


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT_CHARS else f"{text[: _MAX_TEXT_CHARS - 1]}…"
