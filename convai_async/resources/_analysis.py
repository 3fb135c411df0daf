"""``client.conversations.analysis``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from convai_async import endpoints

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.models import Conversation


class AnalysisResource:
    """Analyses of conversations, run again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, conversation_id: str) -> Conversation:
        """Analyse a conversation again (POST /v1/convai/conversations/{conversation_id}/analysis/run).

        The evaluation criteria and the data collection are those that the agent has now, not those that it had
        during the conversation.

        It costs credits: a request that the service may have acted on is not repeated, unless the retry
        policy has ``retry_non_idempotent``.

        Args:
            conversation_id: Which one.

        Raises:
            InvalidArgumentError: The id is empty or invalid.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.run_analysis(conversation_id))

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
            evaluation_id: The id of the evaluation criterion.
            scope: ``"conversation"`` judges the whole transcript, ``"agent"`` the part in which the agent that
                defines the criterion was active; the service's choice by default.
            evaluated_agent_id: The agent whose result is evaluated again, where the conversation was transferred
                between agents. By default, with the scope ``"conversation"``, the agent that started the conversation.
            evaluated_branch_id: The branch of ``evaluated_agent_id`` whose result is evaluated again, where the
                conversation visited several of its branches; all of them by default.

        Raises:
            InvalidArgumentError: An id is empty or invalid, or the scope is unknown.
            ConvAIError: As for any request.
        """
        return await self._engine.send(
            endpoints.run_evaluation(
                conversation_id,
                evaluation_id,
                scope=scope,
                evaluated_agent_id=evaluated_agent_id,
                evaluated_branch_id=evaluated_branch_id,
            )
        )
