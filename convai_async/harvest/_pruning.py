"""How many conversations a run may mark or remove because the service has deleted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from convai_async.harvest._jobs import Job, Result

_ALWAYS_ALLOWED = 10


class Pruning:
    """Holds back the deletions that a run found until it is known how many there are.

    The ranges of these conversations do not count as read before they are pruned.

    Args:
        share: The largest share of the archive's conversations that may be pruned, 0 to 1. Ten always may be, unless
            it is 0.
        conversations: How many there are.

    Attributes:
        ids: The conversations that are gone.
        results: What to write if there are not too many.
    """

    def __init__(self, share: float, conversations: int) -> None:
        self.ids: set[str] = set()
        self.results: list[Result] = []
        self._allowed = max(_ALWAYS_ALLOWED, int(share * conversations)) if share else 0

    @property
    def is_refused(self) -> bool:
        """Whether there are too many: then none is pruned."""
        return len(self.ids) > self._allowed

    def needs(self, job: Job) -> bool:
        """Return whether to do a job; once pruning is refused, no more conversations are looked for."""
        return job.kind != "presence" or not self.is_refused

    def add(self, conversation_id: str, result: Result) -> None:
        """Add a conversation that is gone, and what to write for it."""
        if self.is_refused:
            return
        if conversation_id in self.ids:  # the same one, once as unfinished and once as absent
            result = msgspec.structs.replace(result, update=None)
        self.results.append(result)
        self.ids.add(conversation_id)
