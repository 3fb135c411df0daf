"""``client.agents.topics`` and ``client.conversations.topics``."""

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
    """Topics of an agent's conversations: ``client.agents.topics`` and ``client.conversations.topics``.

    Methods that send a request can raise the errors that `convai_async.errors` lists.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(  # noqa: PLR0913 - keyword-only options
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

        The service determines topics once a day, for whole UTC days. Without ``from_unix_secs`` and ``to_unix_secs``
        the result is that of the latest run; with both, the sum of all completed runs in between.

        Args:
            agent_id: The agent (``agent_…``).
            page_size: The maximum number of top-level topics in a page, 1 to 100; the service decides by default.
            sort_by: The order: ``"conversations"`` (their number), ``"sentiment"`` (most negative first with
                ``"asc"``), ``"frustration"`` (most frustrated first with ``"desc"``) or ``"success_rate"``. Topics
                without a score come last.
            sort_direction: ``"asc"`` (ascending) or ``"desc"`` (descending).
            from_unix_secs: The start of the time range: an aware datetime, or Unix seconds. The service rounds it down
                to the start of its UTC day.
            to_unix_secs: The end of the time range: an aware datetime, or Unix seconds.
            include_evaluation_criteria: False leaves out the results of each criterion, which are most of the response.
                ``success_rate`` is always included.
            cursor: The first page to load: the ``next_cursor`` of the page before it.

        Raises:
            InvalidArgumentError: A value is empty or out of range, or the time range ends before it begins.
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
