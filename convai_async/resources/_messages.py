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
    """Search in what was said."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @describe_filters(MessageFilters)
    def text_search(self, text_query: str, **filters: Unpack[MessageFilters]) -> Paginator[MessageHit]:
        """Find messages by their words, exactly or nearly (GET /v1/convai/conversations/messages/text-search).

        Args:
            text_query: The words to find: free text.
            **filters: The conversations to search in: see `MessageFilters`.

        Raises:
            TypeError: There is no such filter. (The service would ignore it.)
            InvalidArgumentError: The words are missing, or a value is out of range.
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
        """Find messages by their meaning (GET /v1/convai/conversations/messages/smart-search).

        Args:
            text_query: A description of the messages to find: free text. Messages that mean something similar are
                found, whatever words they use.
            agent_id: Only conversations that this agent (``agent_…``) or speech engine (``seng_…``) had.
            branch_id: Only conversations with this branch of an agent.
            page_size: The most results in a page, 1 to 50; the service's choice by default.
            cursor: The page to begin with: the ``next_cursor`` of the page before it.

        Raises:
            InvalidArgumentError: The text is missing, an id or the cursor is empty, or the page size is out of range.
        """
        request = endpoints.search_messages(
            text_query, agent_id=agent_id, branch_id=branch_id, page_size=page_size, cursor=cursor
        )
        return Paginator(self._engine.send, request)
