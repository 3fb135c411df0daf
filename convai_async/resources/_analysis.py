"""``client.conversations.analysis``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from convai_async import endpoints

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.models import Conversation


class AnalysisResource:
    """Analyses of conversations, to run them again: ``client.conversations.analysis``.

    Running an analysis costs credits, so a request that the service may have processed is not retried, unless the retry
    policy has ``retry_non_idempotent``. Methods can raise the errors that `convai_async.errors` lists.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, conversation_id: str) -> Conversation:
        """Analyse a conversation again (POST /v1/convai/conversations/{conversation_id}/analysis/run).

        The analysis uses the agent's current evaluation criteria and data collection, not those at the time of the
        conversation.

        Args:
            conversation_id: The conversation (``conv_…``).
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
        """Evaluate a criterion again (POST /v1/convai/conversations/{conversation_id}/analysis/evaluations/run).

        Args:
            conversation_id: The conversation (``conv_…``).
            evaluation_id: The evaluation criterion.
            scope: ``"conversation"`` to evaluate the whole transcript, or ``"agent"`` for the part in which the agent
                with the criterion was active; the service decides by default.
            evaluated_agent_id: The agent whose result is evaluated again, if the conversation was transferred between
                agents. By default, with the scope ``"conversation"``, the agent that started the conversation.
            evaluated_branch_id: The branch of ``evaluated_agent_id`` whose result is evaluated again, if several of its
                branches took part; all of them by default.
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
