"""Run background tasks during an ``async with`` block, and iterate over their results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import anyio

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

R = TypeVar("R")
T = TypeVar("T")

Put = Callable[[T], Coroutine[Any, Any, None]]
"""Adds a result to a queue, and waits while the queue is full."""


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """Open a task group that raises the first error of its tasks without an exception group around it."""
    try:
        async with anyio.create_task_group() as group:
            yield group
    except BaseExceptionGroup as errors:
        error = errors.exceptions[0]
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context  # not the group


def is_cancelling() -> bool:
    """Return whether the running task is being cancelled.

    If not, a `CancelledError` comes from something that the task waits for.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def run_shielded_in_thread(work: Callable[[], R]) -> R:
    """Run blocking work in a thread until it ends, and return its result; a cancellation takes effect after that."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        await wait_all_shielded([future])
    finally:
        result = future.result()
    return result


async def run_in_daemon_thread(function: Callable[[], R]) -> R:
    """Run a function in a separate thread, and return its result; a cancellation leaves the thread behind.

    A thread that does not end does not keep the process from ending.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    outcome: Future[R] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised in the task that waits for it
            outcome.set_exception(error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ended.set)

    Thread(target=copy_context().run, args=(run,), name="convai-async-function", daemon=True).start()
    await ended.wait()
    return outcome.result()


async def wait_all_shielded(futures: Collection[asyncio.Future[Any]]) -> None:
    """Wait until all futures are done; a cancellation takes effect after that."""
    cancelled: asyncio.CancelledError | None = None
    while not all(future.done() for future in futures):
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class Results(Generic[T]):
    """The results of background tasks, as an async iterator that several tasks can share.

    A result stays in the queue until it is returned: cancelling the task that waits for it loses nothing.

    Args:
        queue: The results, exceptions to raise in place of a result, and None for the end.
    """

    def __init__(self, queue: asyncio.Queue[T | Exception | None]) -> None:
        self._queue = queue
        self._closed = False

    def close(self) -> None:
        """Return no more results: waiting and later calls of ``anext`` raise `RuntimeError`."""
        self._closed = True
        # Wakes one task that waits, which closes again and so wakes the next. Nobody waits when the queue is full.
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next result.

        Raises:
            RuntimeError: The block has ended, and its tasks with it.
            Exception: A background task raised it.
        """
        result = None if self._closed else await self._queue.get()
        if self._closed:
            self.close()
            raise RuntimeError("the `async with` block has ended: iterate inside it")
        if result is None:
            self._queue.put_nowait(None)  # other tasks may be waiting
            raise StopAsyncIteration
        if isinstance(result, Exception):
            raise result
        return result


@asynccontextmanager
async def background(
    worker: Callable[[Put[T]], Coroutine[Any, Any, None]], *, tasks: int = 1, max_results: int
) -> AsyncIterator[Results[T]]:
    """Run a worker in background tasks until it returns or the block ends.

    The tasks are not in a task group: a generator around the block may be closed by another task than the one that
    opened it.

    Args:
        worker: Is called once per task, with the function that adds a result. Its exceptions are raised where the
            results are read.
        tasks: How many tasks run the worker, 1 by default.
        max_results: How many results can be in the queue; adding another one waits.

    Yields:
        The results, in the order in which they were added.
    """
    queue: asyncio.Queue[T | Exception | None] = asyncio.Queue(max_results)
    results = Results(queue)
    workers = [asyncio.create_task(_work(worker, queue)) for _ in range(tasks)]
    end = asyncio.create_task(_put_end(workers, queue))
    try:
        yield results
    finally:
        results.close()
        for task in (*workers, end):
            task.cancel()
        await wait_all_shielded([*workers, end])


async def _work(
    worker: Callable[[Put[T]], Coroutine[Any, Any, None]], queue: asyncio.Queue[T | Exception | None]
) -> None:
    try:
        await worker(queue.put)
    except asyncio.CancelledError as error:
        if is_cancelling():
            raise
        problem = RuntimeError("an awaited operation was cancelled")
        problem.__cause__ = error
        await queue.put(problem)
    except Exception as error:  # noqa: BLE001 - raised where the results are read
        await queue.put(error)


async def _put_end(workers: Collection[asyncio.Task[None]], queue: asyncio.Queue[Any]) -> None:
    await asyncio.wait(workers)
    await queue.put(None)
