"""``client.agents.topics``, which is ``client.conversations.topics`` too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async import endpoints
from convai_async.pagination import Paginator

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.endpoints import Moment
    from convai_async.endpoints._agents import SortDirection, TopicOrder
    from convai_async.models import AgentTopic


class TopicsResource:
    """What an agent's conversations are about."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(  # noqa: PLR0913 - each by its name
        self,
        agent_id: str,
        *,
        page_size: int | None = None,
        sort_by: TopicOrder | None = None,
        sort_direction: SortDirection | None = None,
        from_unix_secs: Moment | None = None,
        to_unix_secs: Moment | None = None,
        include_evaluation_criteria: bool | None = None,
        cursor: str | None = None,
    ) -> Paginator[AgentTopic]:
        """List the topics of an agent's conversations (GET /v1/convai/agents/{agent_id}/topics).

        The service discovers topics once a day, for whole UTC days. Without ``from_unix_secs`` and ``to_unix_secs``
        these are the results of the latest run; with both, the sums of all completed runs in between.

        Args:
            agent_id: The agent (``agent_…``).
            page_size: The most top-level topic groups in a page, 1 to 100; the service's choice by default.
            sort_by: What to rank topics by: ``"conversations"`` (their number), ``"sentiment"`` (``"asc"`` for the
                most negative first), ``"frustration"`` (``"desc"`` for the most frustrated first) or
                ``"success_rate"``. Topics without a score come last.
            sort_direction: ``"asc"``, from low to high, or ``"desc"``, from high to low.
            from_unix_secs: The start of the window: an aware datetime, or unix seconds. The service rounds it down
                to the start of its UTC day.
            to_unix_secs: The end of the window: an aware datetime, or unix seconds.
            include_evaluation_criteria: False leaves out the results for each criterion, which are most of the reply;
                ``success_rate`` is there in any case.
            cursor: The page to begin with: the ``next_cursor`` of the page before it.

        Raises:
            InvalidArgumentError: The id or the cursor is empty, a value is out of range, or the window ends before it
                begins.
        """
        request = endpoints.get_agent_topics(
            agent_id,
            page_size=page_size,
            sort_by=sort_by,
            sort_direction=sort_direction,
            from_unix_secs=from_unix_secs,
            to_unix_secs=to_unix_secs,
            include_evaluation_criteria=include_evaluation_criteria,
            cursor=cursor,
        )
        return Paginator(self._engine.send, request)
