"""Watch for conversations that end."""

from __future__ import annotations

import base64
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Self

import msgspec

from convai_async import endpoints
from convai_async._support.text import to_short_line
from convai_async._support.timestamps import compute_latest_start, credible_start_or_none
from convai_async._support.validate import validate_id, validate_optional, validate_seconds
from convai_async.errors import AuthenticationError, ConvAIError, InvalidArgumentError, NotFoundError
from convai_async.models.enums import FINAL_STATUSES
from convai_async.pagination import Paginator

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.endpoints import Moment
    from convai_async.models import Conversation, ConversationSummary

_logger = logging.getLogger("convai_async")
_OVERLAP_SECS = 10 * 60
"""A conversation can appear in the list later than a newer one, by less than this time."""
_MAX_CALL_SECS = 24 * 60 * 60
"""A conversation that is not final after this time is not waited for."""


class _Position(msgspec.Struct):
    """The progress of a watch.

    Attributes:
        agent_id: The agent whose conversations are watched; empty for all agents.
        floor: All conversations that started before this time (Unix seconds) have been returned.
        given: The start (Unix seconds) of each later conversation that has been returned, by id.
    """

    agent_id: str
    floor: int
    given: dict[str, int]


class Watch:
    """Returns each conversation once when it becomes final: an async iterator that does not end.

    Attributes:
        token: The progress up to the last conversation that was returned. A watch that is started with it continues
            there.
    """

    def __init__(
        self, engine: Engine, *, agent_id: str | None, since: Moment | None, token: str | None, interval: float
    ) -> None:
        validate_seconds("interval", interval, positive=True)
        if since is not None and token is not None:
            raise InvalidArgumentError("token", "and since both set the start: pass one of them")
        validate_optional(validate_id, "agent_id", agent_id)  # an empty id would mean all agents
        self._engine = engine
        self._interval = interval
        self._ready: deque[ConversationSummary] = deque()
        self._next_list_at = engine.clock()
        if token is not None:
            self._position = _read_token(token, agent_id or "")
        else:
            start = int(time.time()) if since is None else endpoints.to_unix_seconds("since", since)
            self._position = _Position(agent_id or "", start, {})

    @property
    def token(self) -> str:
        """The progress as text, to continue later. It contains ids of conversations."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self._position)).decode()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Conversation:
        """Wait for the next conversation to become final, and return it.

        Raises:
            ConvAIError: An error that is not retryable, such as a wrong key. Temporary errors are retried.
        """
        while True:
            try:
                if not self._ready:
                    await self._read_list()
                while self._ready:
                    conversation = await self._fetch(self._ready[0])
                    self._mark_returned(self._ready.popleft())
                    if conversation is not None:
                        return conversation
            except ConvAIError as error:
                if not error.retryable:
                    raise
                self._ready.rotate(-1)  # continue with the others
                _logger.warning("the watch continues in %g s: %s", self._interval, error)
                await self._engine.sleep(self._interval)
                self._next_list_at = self._engine.clock()

    async def _read_list(self) -> None:
        """Wait for the next interval, read the list, and queue the conversations that have become final."""
        pause = self._next_list_at - self._engine.clock()
        if pause > 0:
            await self._engine.sleep(pause)
        summaries = [summary async for summary in self._list()]
        fresh = [each for each in summaries if each.conversation_id not in self._position.given]
        self._ready.extend(each for each in reversed(fresh) if each.status in FINAL_STATUSES)
        self._raise_floor(summaries)
        self._next_list_at = self._engine.clock() + self._interval

    def _list(self) -> Paginator[ConversationSummary]:
        request = endpoints.list_conversations(
            agent_id=self._position.agent_id or None, call_start_after_unix=max(self._position.floor - 1, 0)
        )
        return Paginator(self._engine.send, request)

    async def _fetch(self, summary: ConversationSummary) -> Conversation | None:
        try:
            return await self._engine.send(endpoints.get_conversation(summary.conversation_id))
        except NotFoundError as error:
            if error.is_from_service:
                return None  # it was deleted in the meantime
            error.retryable = True  # a proxy that has lost its routes for a while
            raise
        except ConvAIError as error:
            if error.retryable or isinstance(error, AuthenticationError):
                raise
            _logger.exception(
                "a conversation that cannot be fetched is skipped: %s", to_short_line(summary.conversation_id)
            )
            return None

    def _mark_returned(self, summary: ConversationSummary) -> None:
        self._position.given[summary.conversation_id] = summary.start_time_unix_secs or self._position.floor

    def _raise_floor(self, summaries: list[ConversationSummary]) -> None:
        """Forget conversations that are so old that none from their time can become final any more."""
        # A start in the future would put the floor above all conversations to come.
        latest = compute_latest_start(time.time())
        starts = {
            each.conversation_id: start
            for each in summaries
            if (start := credible_start_or_none(each.start_time_unix_secs, latest)) is not None
        }
        if not starts:
            return
        newest = max(starts.values())
        waiting = [start for each, start in starts.items() if each not in self._position.given]
        possible = [start for start in waiting if start > newest - _MAX_CALL_SECS]
        floor = max(self._position.floor, min([newest - _OVERLAP_SECS, *possible]))
        given = {each: start for each, start in self._position.given.items() if start >= floor}
        self._position = _Position(self._position.agent_id, floor, given)


def _read_token(token: str, agent_id: str) -> _Position:
    try:
        position = msgspec.json.decode(base64.urlsafe_b64decode(token), type=_Position)
    except (TypeError, ValueError):
        raise InvalidArgumentError("token", "was not returned by a watch") from None
    if agent_id != position.agent_id:
        raise InvalidArgumentError("token", f"belongs to a watch with agent_id={position.agent_id or None!r}")
    return position
