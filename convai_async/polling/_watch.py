"""Watch for conversations that become final."""

from __future__ import annotations

import base64
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Self

import msgspec

from convai_async import endpoints
from convai_async._support.text import one_line
from convai_async._support.timestamps import credible_start, latest_start
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
_LONGEST_CALL_SECS = 24 * 60 * 60


class _Position(msgspec.Struct):
    """How far a watch has got.

    Attributes:
        agent_id: Whose conversations it watches; empty stands for all agents.
        floor: Whatever started before this moment (unix seconds) has been given.
        given: What started since then and has been given: when it started, by id.
    """

    agent_id: str
    floor: int
    given: dict[str, int]


class Watch:
    """Conversations as they become final, each once; iterate over it.

    Attributes:
        token: How far it has got, up to the conversation that was given last. A watch that begins with it
            goes on after that.
    """

    def __init__(
        self, engine: Engine, *, agent_id: str | None, since: Moment | None, token: str | None, interval: float
    ) -> None:
        validate_seconds("interval", interval, positive=True)
        if since is not None and token is not None:
            raise InvalidArgumentError("token", "and since both say where to begin: pass one of them")
        validate_optional(validate_id, "agent_id", agent_id)  # an empty one would stand for all agents
        self._engine = engine
        self._interval = interval
        self._ready: deque[ConversationSummary] = deque()
        self._look_at = engine.clock()
        if token is not None:
            self._position = _read_token(token, agent_id or "")
        else:
            start = int(time.time()) if since is None else endpoints.to_unix_seconds("since", since)
            self._position = _Position(agent_id or "", start, {})

    @property
    def token(self) -> str:
        """Where a later watch can go on; text that holds the ids of conversations."""
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
                    await self._look()
                while self._ready:
                    conversation = await self._fetch(self._ready[0])
                    self._note(self._ready.popleft())
                    if conversation is not None:
                        return conversation
            except ConvAIError as error:
                if not error.retryable:
                    raise
                self._ready.rotate(-1)  # the others need not wait for the one that fails
                _logger.warning("watching goes on in %g s: %s", self._interval, error)
                await self._engine.sleep(self._interval)
                self._look_at = self._engine.clock()

    async def _look(self) -> None:
        """Wait until it is time, read the list, and note what has become final."""
        pause = self._look_at - self._engine.clock()
        if pause > 0:
            await self._engine.sleep(pause)
        summaries = [summary async for summary in self._list()]
        fresh = [each for each in summaries if each.conversation_id not in self._position.given]
        self._ready.extend(each for each in reversed(fresh) if each.status in FINAL_STATUSES)
        self._raise_floor(summaries)
        self._look_at = self._engine.clock() + self._interval

    def _list(self) -> Paginator[ConversationSummary]:
        call = endpoints.list_conversations(
            agent_id=self._position.agent_id or None, call_start_after_unix=max(self._position.floor - 1, 0)
        )
        return Paginator(self._engine.send, call)

    async def _fetch(self, summary: ConversationSummary) -> Conversation | None:
        try:
            return await self._engine.send(endpoints.get_conversation(summary.conversation_id))
        except NotFoundError:
            return None  # deleted in between
        except ConvAIError as error:
            if error.retryable or isinstance(error, AuthenticationError):
                raise
            _logger.exception("a conversation that cannot be had is left out: %s", one_line(summary.conversation_id))
            return None

    def _note(self, summary: ConversationSummary) -> None:
        self._position.given[summary.conversation_id] = summary.start_time_unix_secs or self._position.floor

    def _raise_floor(self, summaries: list[ConversationSummary]) -> None:
        """Forget what lies so far back that nothing of it can become final any more."""
        # A start that cannot be, in the future, would put the floor above all that is to come.
        latest = latest_start(time.time())
        starts = {
            each.conversation_id: start
            for each in summaries
            if (start := credible_start(each.start_time_unix_secs, latest)) is not None
        }
        if not starts:
            return
        newest = max(starts.values())
        waiting = [start for each, start in starts.items() if each not in self._position.given]
        possible = [start for start in waiting if start > newest - _LONGEST_CALL_SECS]
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
