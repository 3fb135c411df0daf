"""The conversations of a fake service: which there are, and which of them a request means."""

from __future__ import annotations

import bisect
import random
import zlib
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from convai_async.testing.added import Transcript, read_transcript
from convai_async.testing.documents import Documents
from convai_async.testing.filters import LIST_FILTERS, Candidate
from convai_async.testing.records import AGENTS, Record, has_audio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

JSON = dict[str, Any]

Order = Literal["newest", "oldest", "random"]
"""What comes first in a list; "random" is an order that stays the same."""

Position = tuple[int, str]
"""Where a conversation is in the list: the negative of its start, and its id."""

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
        quirks: Whether documents have the quirks that the real service's have.
        order: What comes first in a list that asks for no direction.

    Attributes:
        added_agents: The agents of conversations that were added.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        size: int,
        *,
        seed: int,
        newest_start: int,
        days: float,
        unfinished: int,
        quirks: bool,
        order: Order = "newest",
    ) -> None:
        self.added_agents: set[str] = set()
        self._documents = Documents(seed, quirks=quirks)
        self._rng = random.Random(seed)  # noqa: S311 - made-up data
        self._records: dict[str, Record] = {}
        self._positions: list[Position] = []  # ascending is newest first
        self._numbers = iter(range(1, 1 << 40))
        self._order = order
        self._newest_start = newest_start
        gap = days * _SECONDS_PER_DAY / max(size, 1)
        start = float(newest_start)
        for index in range(size):
            status = "done" if self._rng.random() >= _FAILED_SHARE else "failed"
            if index < unfinished:
                status = "in-progress" if index == 0 else "processing"
            record = self._append(self._new_id(), int(start), status)
            if record.number % 12 == 0:
                record.parent_id = self._positions[-2][1]
            start -= self._rng.expovariate(1 / gap)
        self._positions.sort()

    def _new_id(self) -> str:
        return f"conv_{self._rng.getrandbits(80):020x}"

    def _append(self, conversation_id: str, start: int, status: str) -> Record:
        record = Record(next(self._numbers), conversation_id, start, status, self._rng.randrange(len(AGENTS)))
        self._records[conversation_id] = record
        self._positions.append((-start, conversation_id))
        return record

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        """Yield the ids, newest first."""
        return (conversation_id for _, conversation_id in self._positions)

    def __contains__(self, conversation_id: object) -> bool:
        return conversation_id in self._records

    def __getitem__(self, conversation_id: str) -> Record:
        return self._records[conversation_id]

    def add(  # noqa: PLR0913 - each by its name
        self,
        conversation_id: str | None,
        *,
        agent_id: str | None,
        transcript: Transcript | None,
        start: int | None,
        status: str,
        done_after: int | None,
        parent_conversation_id: str | None,
        topic_ids: Sequence[str] | None,
        tag_ids: Sequence[str],
        fields: Mapping[str, Any],
    ) -> str:
        """Add a conversation and return its id; `FakeConvAI.add` describes the arguments.

        Raises:
            ValueError: There is one of this id, or a turn has no role.
            TypeError: No conversation has such a field.
        """
        if conversation_id in self._records:
            raise ValueError(f"there is a conversation {conversation_id!r} already")
        if start is None:
            start = 60 - self._positions[0][0] if self._positions else self._newest_start
        given = dict(fields)
        if agent_id is not None:
            given |= {"agent_id": agent_id, "agent_name": dict(AGENTS).get(agent_id)}
        if transcript is not None:
            given["transcript"] = read_transcript(transcript, agent_id or AGENTS[0][0])
        record = self._append(conversation_id or self._new_id(), start, status)
        known = self._documents.details(record)
        if unknown := fields.keys() - known.keys():
            self._records.pop(record.conversation_id)
            self._positions.pop()
            arguments = {"start", "done_after", "parent_conversation_id", "topic_ids"}
            raise TypeError(
                f"a conversation has no field {min(unknown)!r}: there are {', '.join(sorted(known.keys() | arguments))}"
            )
        record.agent, record.given = 0, given
        record.done_after = done_after
        record.parent_id = parent_conversation_id
        record.topic_ids = None if topic_ids is None else tuple(topic_ids)
        record.tag_ids = list(tag_ids)
        bisect.insort(self._positions, self._positions.pop())
        if agent_id is not None:
            self.added_agents.add(agent_id)
        return record.conversation_id

    def remove(self, conversation_id: str) -> None:
        """Delete a conversation.

        Raises:
            KeyError: There is none of this id.
        """
        record = self._records.pop(conversation_id)
        del self._positions[bisect.bisect_left(self._positions, (-record.start, conversation_id))]

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

    def candidates(self, query: Mapping[str, Any]) -> Iterator[Candidate]:
        """Yield the conversations that a query asks for, in its order; both bounds of time are inclusive.

        Args:
            query: The list's parameters, as `parameters.read_query` gives them; those that are missing are None.
        """
        filters = [
            (LIST_FILTERS[name].admits, value)
            for name, value in query.items()
            if value is not None and name in LIST_FILTERS
        ]
        include = bool(query.get("include_invalid_tool_calls"))
        for _, conversation_id in self._ordered(query):
            record = self._records[conversation_id]
            candidate = Candidate(record, self._documents, include_invalid_tool_calls=include)
            if all(admits(candidate, value) for admits, value in filters):
                yield candidate

    def page(self, query: Mapping[str, Any], size: int, after: Position | None) -> tuple[list[JSON], Position | None]:
        """Return the summaries that a query asks for, and the position of the last one if more follow.

        Args:
            query: The list's parameters.
            size: How many summaries at most.
            after: The position after which to begin, or None.
        """
        with_text = query.get("summary_mode") == "include"
        found: list[JSON] = []
        for candidate in self.candidates({**query, "after": after}):
            if len(found) == size:
                return found, (-found[-1]["start_time_unix_secs"], found[-1]["conversation_id"])
            summary = self._documents.summary(candidate.record, with_text=with_text)
            found.append(summary | _included_results(candidate, query))
        return found, None

    def _ordered(self, query: Mapping[str, Any]) -> Iterable[Position]:
        newest, oldest = query.get("call_start_before_unix"), query.get("call_start_after_unix")
        first = 0 if newest is None else bisect.bisect_left(self._positions, (-newest, ""))
        last = len(self._positions) if oldest is None else bisect.bisect_left(self._positions, (1 - oldest, ""))
        after: Position | None = query.get("after")
        direction = query.get("sort_direction")
        order = self._order if direction is None else "newest" if direction == "desc" else "oldest"
        if order == "newest":
            first = first if after is None else max(first, bisect.bisect_right(self._positions, after))
            return map(self._positions.__getitem__, range(first, last))
        if order == "oldest":
            last = last if after is None else min(last, bisect.bisect_left(self._positions, after))
            return map(self._positions.__getitem__, range(last - 1, first - 1, -1))
        window = sorted(self._positions[first:last], key=_shuffled)
        return window if after is None else [each for each in window if _shuffled(each) > _shuffled(after)]


def _shuffled(position: Position) -> tuple[int, Position]:
    return zlib.crc32(position[1].encode()), position


def _included_results(candidate: Candidate, query: Mapping[str, Any]) -> JSON:
    """Return the results that a list is asked to include in each summary."""
    included: JSON = {}
    if (ids := query.get("data_collection_ids")) is not None:
        results = candidate.analysed("data_collection")
        included["data_collection_results"] = {each: results[each].get("value") for each in ids if each in results}
    if (ids := query.get("evaluation_criteria_ids")) is not None:
        results = candidate.analysed("evaluation_criteria")
        included["evaluation_criteria_results"] = {
            each: {"result": results[each].get("result", "unknown")} for each in ids if each in results
        }
    return included
