"""Do the same with many conversations at once; each result comes as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import msgspec

from convai_async._tasks import Handover, background
from convai_async.errors import ConvAIError, InvalidArgumentError
from convai_async.models import Conversation

T = TypeVar("T")

DEFAULT_CONCURRENCY = 16


class FetchResult(msgspec.Struct, frozen=True):
    """What became of one conversation of many: it, or why it could not be had.

    Attributes:
        conversation_id: Which one.
        conversation: The conversation, or None.
        error: What getting it raised, or None.
    """

    conversation_id: str
    conversation: Conversation | None = None
    error: ConvAIError | None = None


class DeleteResult(msgspec.Struct, frozen=True):
    """What became of one deletion of many.

    Attributes:
        conversation_id: Of which conversation.
        error: What deleting it raised, or None: it is deleted.
    """

    conversation_id: str
    error: ConvAIError | None = None


@asynccontextmanager
async def many(
    ids: Iterable[str] | AsyncIterable[str], act: Callable[[str], Awaitable[T]], max_concurrency: int
) -> AsyncIterator[AsyncIterator[T]]:
    """Act on ids with so many tasks; the results come as they finish.

    At most ``2 * max_concurrency`` results wait for the consumer, so memory does not grow with the ids.

    Raises:
        InvalidArgumentError: ``max_concurrency`` is less than 1, or ``ids`` is a string.
    """
    if max_concurrency < 1:
        raise InvalidArgumentError("max_concurrency", f"must be at least 1, got {max_concurrency}")
    if isinstance(ids, str):
        raise InvalidArgumentError("ids", "is one string: pass a list of ids")
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
