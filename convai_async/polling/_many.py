"""Process many conversations concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec

from convai_async import endpoints
from convai_async._support.tasks import Put, background
from convai_async._support.validate import validate_integer
from convai_async.errors import ConvAIError, InvalidArgumentError
from convai_async.models import Conversation

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine

T = TypeVar("T")

DEFAULT_CONCURRENCY = 16


class Fetched(msgspec.Struct, frozen=True):
    """A conversation that `get_many` fetched.

    Attributes:
        conversation_id: The id that was passed.
        conversation: The conversation.
        error: None.
    """

    conversation_id: str
    conversation: Conversation
    error: None = None


class NotFetched(msgspec.Struct, frozen=True):
    """A conversation that `get_many` could not fetch.

    Attributes:
        conversation_id: The id that was passed.
        error: The exception that fetching it raised.
        conversation: None.
    """

    conversation_id: str
    error: ConvAIError
    conversation: None = None


FetchResult: TypeAlias = Fetched | NotFetched
"""The result for one id. Type checkers narrow it by ``if result.error is None``."""


class DeleteResult(msgspec.Struct, frozen=True):
    """The result of `delete_many` for one conversation.

    Attributes:
        conversation_id: The id that was passed.
        error: The exception that deleting it raised; None if it was deleted.
    """

    conversation_id: str
    error: ConvAIError | None = None


def get_many(
    engine: Engine, ids: Iterable[str] | AsyncIterable[str], max_concurrency: int
) -> AbstractAsyncContextManager[AsyncIterator[FetchResult]]:
    """Get many conversations concurrently: see `Conversations.get_many`."""
    bulk = engine.with_options(priority="bulk")

    async def fetch(conversation_id: str) -> FetchResult:
        try:
            return Fetched(conversation_id, await bulk.send(endpoints.get_conversation(conversation_id)))
        except ConvAIError as error:
            return NotFetched(conversation_id, error)

    return map_concurrently(ids, fetch, max_concurrency)


def delete_many(
    engine: Engine, ids: Iterable[str] | AsyncIterable[str], max_concurrency: int
) -> AbstractAsyncContextManager[AsyncIterator[DeleteResult]]:
    """Delete many conversations concurrently: see `Conversations.delete_many`."""
    bulk = engine.with_options(priority="bulk")

    async def delete(conversation_id: str) -> DeleteResult:
        try:
            await bulk.send(endpoints.delete_conversation(conversation_id))
        except ConvAIError as error:
            return DeleteResult(conversation_id, error)
        return DeleteResult(conversation_id)

    return map_concurrently(ids, delete, max_concurrency)


@asynccontextmanager
async def map_concurrently(
    ids: Iterable[str] | AsyncIterable[str], worker: Callable[[str], Awaitable[T]], max_concurrency: int
) -> AsyncIterator[AsyncIterator[T]]:
    """Call a function with each id, in several tasks, and yield the results as the tasks finish.

    At most ``2 * max_concurrency`` results wait to be read, so memory does not grow with the number of ids.

    Args:
        ids: The ids; they are read one by one.
        worker: Is called with one id, and returns the result for it.
        max_concurrency: The number of tasks.

    Raises:
        InvalidArgumentError: ``max_concurrency`` is not a whole number from 1, or ``ids`` is not an iterable of ids.
    """
    validate_integer("max_concurrency", max_concurrency, 1)
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable | AsyncIterable):
        raise InvalidArgumentError("ids", f"must be an iterable of ids, not one {type(ids).__name__}")
    reading = asyncio.Lock()
    async with aclosing(_iterate(ids)) as source:

        async def work(put: Put[T]) -> None:
            while True:
                async with reading:
                    try:
                        conversation_id = await anext(source)
                    except StopAsyncIteration:
                        return
                await put(await worker(conversation_id))

        async with background(work, tasks=max_concurrency, max_results=max_concurrency) as results:
            yield results


async def _iterate(ids: Iterable[str] | AsyncIterable[str]) -> AsyncGenerator[str, None]:
    if isinstance(ids, AsyncIterable):
        async for conversation_id in ids:
            yield conversation_id
    else:
        for conversation_id in ids:
            yield conversation_id
