"""Limit how many conversations a run marks or removes because they were deleted at the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from convai_async.harvest._jobs import Job, Result

_ALWAYS_ALLOWED = 10


class Pruning:
    """Collects the deletions that a run found, until their number is known.

    The ranges of these conversations count as read only after they are pruned.

    Args:
        share: The maximum share of the archive's conversations to prune, 0 to 1. Up to ten are always pruned, unless it
            is 0.
        conversations: The number of conversations in the archive.

    Attributes:
        ids: The ids of the deleted conversations.
        results: The results to write unless there are too many.
    """

    def __init__(self, share: float, conversations: int) -> None:
        self.ids: set[str] = set()
        self.results: list[Result] = []
        self._allowed = max(_ALWAYS_ALLOWED, int(share * conversations)) if share else 0

    @property
    def is_refused(self) -> bool:
        """Whether there are more than the limit allows, so that none is pruned."""
        return len(self.ids) > self._allowed

    def needs(self, job: Job) -> bool:
        """Return whether to fetch a job: once pruning is refused, no more deleted conversations are searched for."""
        return job.kind != "presence" or not self.is_refused

    def add(self, conversation_id: str, result: Result) -> None:
        """Add a deleted conversation and the result to write for it."""
        if self.is_refused:
            return
        if conversation_id in self.ids:  # the same one, once as unfinished and once as absent
            result = msgspec.structs.replace(result, update=None)
        self.results.append(result)
        self.ids.add(conversation_id)
