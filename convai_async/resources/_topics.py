"""``client.agents.topics``, which is ``client.conversations.topics`` too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from convai_async import calls
from convai_async.pagination import Paginator

if TYPE_CHECKING:
    from convai_async._engine import Engine
    from convai_async.calls import Moment
    from convai_async.models import AgentTopic


class AgentTopics:
    """What an agent's conversations are about."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(  # noqa: PLR0913 - each by its name
        self,
        agent_id: str,
        *,
        page_size: int | None = None,
        sort_by: Literal["conversations", "sentiment", "success_rate", "frustration"] | None = None,
        sort_direction: Literal["asc", "desc"] | None = None,
        from_unix_secs: Moment | None = None,
        to_unix_secs: Moment | None = None,
        include_evaluation_criteria: bool | None = None,
        cursor: str | None = None,
    ) -> Paginator[AgentTopic]:
        """List the topics of an agent (GET /v1/convai/agents/{agent_id}/topics).

        Args:
            agent_id: The agent (``agent_…``).
            page_size: Topics in a page, 1 to 100; the service's choice by default.
            sort_by: In which order.
            sort_direction: From low to high, or from high to low.
            from_unix_secs: Of conversations since then: an aware datetime, or unix seconds.
            to_unix_secs: Of conversations until then.
            include_evaluation_criteria: Whether the metrics have the results by criterion.
            cursor: Where to begin: a page's ``next_cursor``.

        Raises:
            InvalidArgumentError: The id is empty or odd, or a value is out of range.
        """
        call = calls.get_agent_topics(
            agent_id,
            page_size=page_size,
            sort_by=sort_by,
            sort_direction=sort_direction,
            from_unix_secs=from_unix_secs,
            to_unix_secs=to_unix_secs,
            include_evaluation_criteria=include_evaluation_criteria,
            cursor=cursor,
        )
        return Paginator(self._engine.send, call)
