"""How many conversations a run may mark or remove because the service has deleted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.harvest._jobs import Outcome

if TYPE_CHECKING:
    from convai_async.archive._records import DeletionUpdate
    from convai_async.harvest._jobs import RangeProgress

_ALWAYS_ALLOWED = 10


class Pruning:
    """Collects conversations that the service answered with 404, until it is clear how many there are.

    Args:
        limit: The largest share of the archive's conversations that may be pruned, 0 to 1. Ten always may be, unless
            the limit is 0.
        conversations: How many there are.

    Attributes:
        ids: The conversations that are gone.
        outcomes: What to write if there are not too many.
    """

    def __init__(self, limit: float, conversations: int) -> None:
        self.ids: set[str] = set()
        self.outcomes: list[Outcome] = []
        self._allowed = max(_ALWAYS_ALLOWED, int(limit * conversations)) if limit else 0

    @property
    def refused(self) -> bool:
        """Whether there are too many: then none is pruned."""
        return len(self.ids) > self._allowed

    def add(self, gone: DeletionUpdate, progress: list[RangeProgress]) -> None:
        """Add a conversation that is gone. The ranges that it is of are not noted as read before it is pruned."""
        if not self.refused:
            self.outcomes.append(Outcome(None if gone.conversation_id in self.ids else gone, progress))
            self.ids.add(gone.conversation_id)
