"""``client.conversations.analysis``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from convai_async import calls

if TYPE_CHECKING:
    from convai_async._engine import Engine
    from convai_async.models import Conversation


class ConversationAnalyses:
    """Judging conversations anew."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, conversation_id: str) -> Conversation:
        """Analyse a conversation again (POST /v1/convai/conversations/{conversation_id}/analysis/run).

        It costs credits: a request that the service may have acted on is not repeated, unless the retry
        policy has ``repeat_unsafe``.

        Args:
            conversation_id: Which one.

        Raises:
            InvalidArgumentError: The id is empty or odd.
            ConvAIError: As for any request.
        """
        return await self._engine.send(calls.run_analysis(conversation_id))

    async def run_evaluation(
        self,
        conversation_id: str,
        *,
        evaluation_id: str,
        scope: Literal["conversation", "agent"] | None = None,
        evaluated_agent_id: str | None = None,
        evaluated_branch_id: str | None = None,
    ) -> Conversation:
        """Judge by one criterion again (POST /v1/convai/conversations/{conversation_id}/analysis/evaluations/run).

        It is repeated no more than `run` is.

        Args:
            conversation_id: Which conversation.
            evaluation_id: By which criterion.
            scope: Whether the whole conversation is judged, or an agent's part.
            evaluated_agent_id: Which agent's part.
            evaluated_branch_id: Which branch of it.

        Raises:
            InvalidArgumentError: An id is empty or odd.
            ConvAIError: As for any request.
        """
        chosen: dict[str, Any] = {
            "scope": scope,
            "evaluated_agent_id": evaluated_agent_id,
            "evaluated_branch_id": evaluated_branch_id,
        }
        given = {name: value for name, value in chosen.items() if value is not None}
        return await self._engine.send(calls.run_evaluation(conversation_id, evaluation_id, **given))
