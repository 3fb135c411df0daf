"""Do the same with many conversations at once; each result comes as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias, TypeVar

import msgspec

from convai_async._support.tasks import Handover, background
from convai_async._support.validate import validate_integer
from convai_async.errors import ConvAIError, InvalidArgumentError
from convai_async.models import Conversation

T = TypeVar("T")

DEFAULT_CONCURRENCY = 16


class Fetched(msgspec.Struct, frozen=True):
    """A conversation that `get_many` fetched.

    Attributes:
        conversation_id: The id that was asked for.
        conversation: The conversation.
        error: None.
    """

    conversation_id: str
    conversation: Conversation
    error: None = None


class NotFetched(msgspec.Struct, frozen=True):
    """A conversation that `get_many` could not fetch.

    Attributes:
        conversation_id: The id that was asked for.
        error: The exception that fetching it raised.
        conversation: None.
    """

    conversation_id: str
    error: ConvAIError
    conversation: None = None


FetchResult: TypeAlias = Fetched | NotFetched
"""The result for one of many conversations: ``if result.error is None`` tells type checkers which of the two it is."""


class DeleteResult(msgspec.Struct, frozen=True):
    """What became of one deletion of many.

    Attributes:
        conversation_id: Of which conversation.
        error: What deleting it raised, or None: it is deleted.
    """

    conversation_id: str
    error: ConvAIError | None = None


@asynccontextmanager
async def map_concurrently(
    ids: Iterable[str] | AsyncIterable[str], act: Callable[[str], Awaitable[T]], max_concurrency: int
) -> AsyncIterator[AsyncIterator[T]]:
    """Act on ids with so many tasks; the results come as they finish.

    At most ``2 * max_concurrency`` results wait for the consumer, so memory does not grow with the ids.

    Raises:
        InvalidArgumentError: ``max_concurrency`` is not a whole number from 1, or ``ids`` is not an iterable of ids.
    """
    validate_integer("max_concurrency", max_concurrency, 1)
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable | AsyncIterable):
        raise InvalidArgumentError("ids", f"must be an iterable of ids, not one {type(ids).__name__}")
    handover = Handover[T](max_concurrency)
    turn = asyncio.Lock()
    async with aclosing(_one_by_one(ids)) as source:

        async def work() -> None:
            while True:
                async with turn:
                    try:
                        conversation_id = await anext(source)
                    except StopAsyncIteration:
                        return
                await handover.put(await act(conversation_id))

        async with background(handover, [work] * max_concurrency):
            yield handover


async def _one_by_one(ids: Iterable[str] | AsyncIterable[str]) -> AsyncGenerator[str, None]:
    if isinstance(ids, AsyncIterable):
        async for conversation_id in ids:
            yield conversation_id
    else:
        for conversation_id in ids:
            yield conversation_id
