"""The conversations of a fake service, and the lists of those that match a query."""

from __future__ import annotations

import bisect
import random
import zlib
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from convai_async.testing.custom_conversations import Transcript, read_transcript
from convai_async.testing.documents import Documents
from convai_async.testing.filters import LIST_FILTERS, STATUSES, Candidate
from convai_async.testing.plans import AGENTS, StoredConversation, has_audio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

JSON = dict[str, Any]

Order = Literal["newest", "oldest", "random"]
"""The order of a list; ``"random"`` is shuffled, but the same for every request."""

Position = tuple[int, str]
"""The position of a conversation in the list: its negated start, and its id."""

NEWEST_START = 1_780_000_000
"""The default start of the newest conversation in unix seconds: 2026-05-28 20:26:40 UTC."""

_SECONDS_PER_DAY = 86_400
_FAILED_SHARE = 0.03


class Corpus:
    """The conversations, newest first; their documents are generated on request.

    Args:
        size: The number of generated conversations.
        seed: The seed of the generated data.
        newest_start: The start of the newest conversation in unix seconds.
        days: The number of days over which they are spread.
        unfinished: How many of the newest are still in progress or processing.
        quirks: Whether documents have the quirks of the real service.
        order: The order of lists without a ``sort_direction``.

    Attributes:
        added_agents: The ids of the agents of added conversations.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only but the size
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
        self._rng = random.Random(seed)  # noqa: S311 - not for security
        self._conversations: dict[str, StoredConversation] = {}
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
            stored = self._create(self._new_id(), int(start), status)
            if stored.number % 12 == 0:
                stored.parent_id = self._positions[-1][1]
            self._store(stored)
            start -= self._rng.expovariate(1 / gap)

    def _new_id(self) -> str:
        return f"conv_{self._rng.getrandbits(80):020x}"

    def _create(self, conversation_id: str, start: int, status: str) -> StoredConversation:
        agent = self._rng.randrange(len(AGENTS))
        return StoredConversation(next(self._numbers), conversation_id, start, status, agent)

    def _store(self, stored: StoredConversation) -> None:
        self._conversations[stored.conversation_id] = stored
        bisect.insort(self._positions, (-stored.start, stored.conversation_id))

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids, newest first."""
        return (conversation_id for _, conversation_id in self._positions)

    def __contains__(self, conversation_id: object) -> bool:
        return conversation_id in self._conversations

    def __getitem__(self, conversation_id: str) -> StoredConversation:
        return self._conversations[conversation_id]

    def add(  # noqa: PLR0913 - all keyword-only but the id
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
        """Add a conversation and return its id: see `FakeConvAI.add`.

        Raises:
            ValueError: The id exists already, or the status or a turn is invalid.
            TypeError: Conversations have no such field.
        """
        if conversation_id in self._conversations:
            raise ValueError(f"conversation {conversation_id!r} already exists")
        if status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(map(repr, STATUSES))}, got {status!r}")
        if start is None:
            start = 60 - self._positions[0][0] if self._positions else self._newest_start
        given = dict(fields)
        if agent_id is not None:
            given |= {"agent_id": agent_id, "agent_name": dict(AGENTS).get(agent_id)}
        if transcript is not None:
            given["transcript"] = read_transcript(transcript, agent_id or AGENTS[0][0])
        stored = self._create(conversation_id or self._new_id(), start, status)
        _validate_fields(fields, self._documents.details(stored))
        stored.agent, stored.given = 0, given
        stored.done_after = done_after
        stored.parent_id = parent_conversation_id
        stored.topic_ids = None if topic_ids is None else tuple(topic_ids)
        stored.tag_ids = list(tag_ids)
        self._store(stored)
        if agent_id is not None:
            self.added_agents.add(agent_id)
        return stored.conversation_id

    def remove(self, conversation_id: str) -> None:
        """Delete a conversation.

        Raises:
            KeyError: It does not exist.
        """
        stored = self._conversations.pop(conversation_id)
        del self._positions[bisect.bisect_left(self._positions, (-stored.start, conversation_id))]

    def details(self, conversation_id: str) -> JSON:
        """Return the full document of a conversation as a dict."""
        return self._documents.details(self._conversations[conversation_id])

    def document(self, conversation_id: str) -> bytes:
        """Return the full document of a conversation as JSON, the exact bytes that the service sends.

        Raises:
            KeyError: It does not exist.
        """
        return msgspec.json.encode(self.details(conversation_id))

    def duration(self, conversation_id: str) -> int:
        """Return the duration of a conversation in seconds."""
        summary = self._documents.summary(self._conversations[conversation_id], with_text=False)
        return int(summary["call_duration_secs"])

    def has_audio(self, conversation_id: str) -> bool:
        """Return whether a conversation exists and has a recording."""
        return conversation_id in self._conversations and has_audio(self._conversations[conversation_id])

    def candidates(self, query: Mapping[str, Any]) -> Iterator[Candidate]:
        """Yield the conversations that match a query, in its order; both time bounds are inclusive.

        Args:
            query: The parameters of the list, as parsed by `parameters.read_query`; missing ones count as None.
        """
        filters = [
            (LIST_FILTERS[name].admits, value)
            for name, value in query.items()
            if value is not None and name in LIST_FILTERS
        ]
        include = bool(query.get("include_invalid_tool_calls"))
        for _, conversation_id in self._sort(query):
            stored = self._conversations[conversation_id]
            candidate = Candidate(stored, self._documents, include_invalid_tool_calls=include)
            if all(admits(candidate, value) for admits, value in filters):
                yield candidate

    def page(self, query: Mapping[str, Any], size: int, after: Position | None) -> tuple[list[JSON], Position | None]:
        """Return a page of list items that match a query, and the position of the last one if more follow.

        Args:
            query: The parameters of the list.
            size: The largest number of items.
            after: The position after which the page begins; None for the first page.
        """
        with_text = query.get("summary_mode") == "include"
        found: list[JSON] = []
        for candidate in self.candidates({**query, "after": after}):
            if len(found) == size:
                return found, (-found[-1]["start_time_unix_secs"], found[-1]["conversation_id"])
            summary = self._documents.summary(candidate.stored, with_text=with_text)
            found.append(summary | _select_results(candidate, query))
        return found, None

    def _sort(self, query: Mapping[str, Any]) -> Iterable[Position]:
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
        window = sorted(self._positions[first:last], key=_shuffle_key)
        return window if after is None else [each for each in window if _shuffle_key(each) > _shuffle_key(after)]


def _validate_fields(fields: Mapping[str, Any], document: JSON) -> None:
    """Raise TypeError for fields that a document does not have."""
    if unknown := fields.keys() - document.keys():
        known = sorted({*document, "start", "done_after", "parent_conversation_id", "topic_ids"})
        raise TypeError(f"conversations have no field {min(unknown)!r}; known fields: {', '.join(known)}")


def _shuffle_key(position: Position) -> tuple[int, Position]:
    return zlib.crc32(position[1].encode()), position


def _select_results(candidate: Candidate, query: Mapping[str, Any]) -> JSON:
    """Return the results that the query asks to include in each list item."""
    included: JSON = {}
    if (ids := query.get("data_collection_ids")) is not None:
        results = candidate.get_results("data_collection")
        included["data_collection_results"] = {each: results[each].get("value") for each in ids if each in results}
    if (ids := query.get("evaluation_criteria_ids")) is not None:
        results = candidate.get_results("evaluation_criteria")
        included["evaluation_criteria_results"] = {
            each: {"result": results[each].get("result", "unknown")} for each in ids if each in results
        }
    return included
