"""The conversations of a fake service: which there are, and which of them a request means."""

from __future__ import annotations

import bisect
import random
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.documents import AGENTS, Documents, Record, has_audio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from multidict import MultiMapping

JSON = dict[str, Any]

NEWEST_START = 1_780_000_000
"""When the newest conversation started, in unix seconds: 2026-05-28 20:26:40 UTC."""

_SECONDS_PER_DAY = 86_400
_FAILED_SHARE = 0.03


class Corpus:
    """Conversations, newest first; their documents are made when they are asked for.

    Args:
        size: How many there are to begin with.
        seed: Decides everything about them.
        newest_start: When the newest one started, in unix seconds.
        days: Over how many days they are spread.
        unfinished: How many of the newest are still in progress or processing.
        oddities: Whether documents have the oddities that the real service's have.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self, size: int, *, seed: int, newest_start: int, days: float, unfinished: int, oddities: bool
    ) -> None:
        self._documents = Documents(seed, oddities=oddities)
        self._rng = random.Random(seed)  # noqa: S311 - made-up data
        self._records: dict[str, Record] = {}
        self._order: list[tuple[int, str]] = []  # (-start, id): ascending is newest first
        self._numbers = iter(range(1, 1 << 40))
        gap = days * _SECONDS_PER_DAY / max(size, 1)
        start = float(newest_start)
        for index in range(size):
            status = "done" if self._rng.random() >= _FAILED_SHARE else "failed"
            if index < unfinished:
                status = "in-progress" if index == 0 else "processing"
            self._append(int(start), status)
            start -= self._rng.expovariate(1 / gap)
        self._order.sort()

    def _append(self, start: int, status: str) -> Record:
        conversation_id = f"conv_{self._rng.getrandbits(80):020x}"
        record = Record(next(self._numbers), conversation_id, start, status, self._rng.randrange(len(AGENTS)))
        self._records[conversation_id] = record
        self._order.append((-start, conversation_id))
        return record

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[str]:
        """Yield the ids, newest first."""
        return (conversation_id for _, conversation_id in self._order)

    def __contains__(self, conversation_id: object) -> bool:
        return conversation_id in self._records

    def __getitem__(self, conversation_id: str) -> Record:
        return self._records[conversation_id]

    def add(self, start: int, status: str) -> str:
        """Add a conversation and return its id."""
        record = self._append(start, status)
        bisect.insort(self._order, self._order.pop())
        return record.conversation_id

    def remove(self, conversation_id: str) -> None:
        """Delete a conversation.

        Raises:
            KeyError: There is none of this id.
        """
        record = self._records.pop(conversation_id)
        del self._order[bisect.bisect_left(self._order, (-record.start, conversation_id))]

    def details(self, conversation_id: str) -> JSON:
        """Return a conversation in full."""
        return self._documents.details(self._records[conversation_id])

    def document(self, conversation_id: str) -> bytes:
        """Return the bytes that the service sends for a conversation.

        Raises:
            KeyError: There is none of this id.
        """
        return msgspec.json.encode(self.details(conversation_id))

    def duration(self, conversation_id: str) -> int:
        """Return how long a conversation was, in seconds."""
        summary = self._documents.summary(self._records[conversation_id], with_text=False)
        return int(summary["call_duration_secs"])

    def has_audio(self, conversation_id: str) -> bool:
        """Tell whether there is a recording of a conversation."""
        return conversation_id in self._records and has_audio(self._records[conversation_id])

    def page(
        self, query: MultiMapping[str], size: int, after: tuple[int, str] | None
    ) -> tuple[list[JSON], tuple[int, str] | None]:
        """Return the summaries that a query asks for, and the position of the last one if more follow.

        Both bounds of time are inclusive.

        Args:
            query: The list's parameters.
            size: How many summaries at most.
            after: The position after which to begin, or None.
        """
        first = 0 if after is None else bisect.bisect_right(self._order, after)
        if newest := query.get("call_start_before_unix"):
            first = max(first, bisect.bisect_left(self._order, (-int(newest), "")))
        oldest = query.get("call_start_after_unix")
        last = len(self._order) if not oldest else bisect.bisect_left(self._order, (1 - int(oldest), ""))
        with_text = query.get("summary_mode") == "include"
        found: list[JSON] = []
        for position in range(first, last):
            record = self._records[self._order[position][1]]
            if self._matches(record, query):
                if len(found) == size:
                    return found, (-found[-1]["start_time_unix_secs"], found[-1]["conversation_id"])
                found.append(self._documents.summary(record, with_text=with_text))
        return found, None

    def _matches(self, record: Record, query: MultiMapping[str]) -> bool:
        asked = [name for name in _FILTERS if name in query]
        if not asked:
            return True
        summary = self._documents.summary(record, with_text=False)
        details: JSON = {}
        if not _SUMMARY_FILTERS.issuperset(asked):
            details = self._documents.details(record)
        return all(_FILTERS[name](query.getall(name), summary, details) for name in asked)


def _tools(details: JSON) -> set[str]:
    return {call["tool_name"] for turn in details["transcript"] for call in turn["tool_calls"] or ()}


def _evaluates(parameters: list[str], details: JSON) -> bool:
    results = (details["analysis"] or {}).get("evaluation_criteria_results", {})
    wanted = [parameter.partition(":") for parameter in parameters]
    return all(results.get(criterion, {}).get("result") == result for criterion, _, result in wanted)


def _collected(parameters: list[str], details: JSON) -> bool:
    results = (details["analysis"] or {}).get("data_collection_results", {})
    return all(_compares(results, *f"{parameter}::".split(":")[:3]) for parameter in parameters)


def _compares(results: Mapping[str, JSON], name: str, operator: str, operand: str) -> bool:
    value = results.get(name, {}).get("value")
    text = "" if value is None else str(value)
    operations: dict[str, Callable[[], bool]] = {
        "exists": lambda: value is not None,
        "missing": lambda: value is None,
        "eq": lambda: text == operand,
        "neq": lambda: text != operand,
        "in": lambda: text in operand.split("|"),
        "gt": lambda: text > operand,
        "gte": lambda: text >= operand,
        "lt": lambda: text < operand,
        "lte": lambda: text <= operand,
    }
    return operator in operations and operations[operator]()


def _says(words: str, details: JSON) -> bool:
    return any(words.casefold() in (turn["message"] or "").casefold() for turn in details["transcript"])


_FILTERS: dict[str, Callable[[list[str], JSON, JSON], bool]] = {
    "agent_id": lambda values, summary, _: summary["agent_id"] == values[0],
    "call_successful": lambda values, summary, _: summary["call_successful"] == values[0],
    "call_duration_min_secs": lambda values, summary, _: summary["call_duration_secs"] >= int(values[0]),
    "call_duration_max_secs": lambda values, summary, _: summary["call_duration_secs"] <= int(values[0]),
    "rating_min": lambda values, summary, _: (summary["rating"] or 0) >= int(values[0]),
    "rating_max": lambda values, summary, _: summary["rating"] is not None and summary["rating"] <= int(values[0]),
    "has_feedback_comment": lambda values, _, details: (
        (details["metadata"]["feedback"]["comment"] is not None) is (values[0] == "true")
    ),
    "user_id": lambda values, _, details: details["user_id"] == values[0],
    "evaluation_params": lambda values, _, details: _evaluates(values, details),
    "data_collection_params": lambda values, _, details: _collected(values, details),
    "exclude_statuses": lambda values, summary, _: summary["status"] not in values,
    "main_languages": lambda values, summary, _: summary["main_language"] in values,
    "tag_ids": lambda values, summary, _: not set(values).isdisjoint(summary["tag_ids"]),
    "termination_reasons": lambda values, _, details: details["metadata"]["termination_reason"] in values,
    "conversation_initiation_source": lambda values, _, details: (
        details["metadata"]["conversation_initiation_source"] == values[0]
    ),
    "tool_names": lambda values, _, details: not _tools(details).isdisjoint(values),
    "search": lambda values, _, details: _says(values[0], details),
}
_SUMMARY_FILTERS = frozenset(
    {
        "agent_id",
        "exclude_statuses",
        "main_languages",
        "tag_ids",
        "call_successful",
        "call_duration_min_secs",
        "call_duration_max_secs",
        "rating_min",
        "rating_max",
    }
)
