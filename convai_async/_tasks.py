"""Background tasks that live as long as an ``async with``, and what they hand to its block."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream

T = TypeVar("T")


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """Open a task group that raises the error which ended it as it is, not inside an exception group."""
    try:
        async with anyio.create_task_group() as group:
            yield group
    except BaseExceptionGroup as errors:
        error = errors.exceptions[0]
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context  # what it was raised from, not our group


@asynccontextmanager
async def background_tasks() -> AsyncIterator[TaskGroup]:
    """Open a task group whose tasks are cancelled when the block ends."""
    async with task_group() as group:
        try:
            yield group
        finally:
            group.cancel_scope.cancel()


class Handover(Generic[T]):
    """What background tasks hand over: an async iterator for the block that they work for.

    A task that fails sends its error: to close the channel instead would look like the end of the results.
    """

    def __init__(self, receiver: MemoryObjectReceiveStream[T | Exception]) -> None:
        self._receiver = receiver

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next result, or raise the error that was sent.

        Raises:
            RuntimeError: The block has ended, and its tasks with it.
        """
        try:
            result = await self._receiver.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
        except anyio.ClosedResourceError:
            raise RuntimeError("iterate inside the `async with` block: it has ended, and loading with it") from None
        if isinstance(result, Exception):
            raise result
        return result
