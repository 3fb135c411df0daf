"""``client.conversations.feedback``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from convai_async import endpoints

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine


class FeedbackResource:
    """Ratings of conversations."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, conversation_id: str, *, feedback: Literal["like", "dislike"] | None) -> None:
        """Rate a conversation (POST /v1/convai/conversations/{conversation_id}/feedback).

        Whether rating twice is safe is undocumented, so a request that the service may have acted on is not
        repeated, unless the client's retry policy has ``retry_non_idempotent``.

        Args:
            conversation_id: What to rate.
            feedback: ``"like"``, ``"dislike"``, or None to take the rating back.

        Raises:
            InvalidArgumentError: The id is empty or invalid.
            ConvAIError: As for any request.
        """
        await self._engine.send(endpoints.create_feedback(conversation_id, feedback))
