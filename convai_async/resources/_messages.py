"""``client.conversations.messages``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from convai_async import endpoints
from convai_async.endpoints._filter_help import describe_filters
from convai_async.endpoints._filters import MessageFilters
from convai_async.pagination import Paginator

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.models import MessageHit


class MessagesResource:
    """Search in transcripts: ``client.conversations.messages``.

    Methods that send a request can raise the errors that `convai_async.errors` lists.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @describe_filters(MessageFilters)
    def text_search(self, text_query: str, **filters: Unpack[MessageFilters]) -> Paginator[MessageHit]:
        """Search messages by their words, exact or similar (GET /v1/convai/conversations/messages/text-search).

        Args:
            text_query: The words to find.
            **filters: The keys of `MessageFilters`, for the conversations to search. None leaves a filter out.

        Raises:
            TypeError: A filter is unknown. (The service would ignore it.)
            InvalidArgumentError: The words are empty, or a filter's value is invalid.
        """
        return Paginator(self._engine.send, endpoints.text_search_messages(text_query, **filters))

    def search(
        self,
        text_query: str,
        *,
        agent_id: str | None = None,
        branch_id: str | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
    ) -> Paginator[MessageHit]:
        """Search messages by their meaning (GET /v1/convai/conversations/messages/smart-search).

        Args:
            text_query: A description of the messages to find. Finds messages with a similar meaning, in any words.
            agent_id: Only conversations with this agent (``agent_…``) or speech engine (``seng_…``).
            branch_id: Only conversations with this branch of an agent.
            page_size: The maximum number of results in a page, 1 to 50; the service decides by default.
            cursor: The first page to load: the ``next_cursor`` of the page before it.
        """
        request = endpoints.search_messages(
            text_query, agent_id=agent_id, branch_id=branch_id, page_size=page_size, cursor=cursor
        )
        return Paginator(self._engine.send, request)
