"""``client.conversations.feedback``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from convai_async import endpoints

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine


class FeedbackResource:
    """Ratings of conversations: ``client.conversations.feedback``.

    Methods that send a request can raise the errors that `convai_async.errors` lists.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, conversation_id: str, *, feedback: Literal["like", "dislike"] | None) -> None:
        """Rate a conversation (POST /v1/convai/conversations/{conversation_id}/feedback).

        A request that the service may have processed is not retried, since the effect of a second rating is
        undocumented, unless the retry policy has ``retry_non_idempotent``.

        Args:
            conversation_id: The conversation (``conv_…``).
            feedback: ``"like"``, ``"dislike"``, or None to remove the rating.
        """
        await self._engine.send(endpoints.create_feedback(conversation_id, feedback))
