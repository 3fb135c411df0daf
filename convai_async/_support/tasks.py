"""Background tasks that live as long as an ``async with``, and what they hand to its block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import anyio

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

T = TypeVar("T")

Worker = Callable[[], Coroutine[Any, Any, None]]


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


def is_cancelling() -> bool:
    """Tell whether somebody cancels the running task; else a `CancelledError` comes from what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def run_shielded_in_thread(work: Callable[[], object]) -> None:
    """Do blocking work in a thread, to its end, and only then be cancelled by whoever wanted that meanwhile."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        await wait_all_shielded([future])
    finally:
        future.result()


async def wait_all_shielded(futures: Collection[asyncio.Future[Any]]) -> None:
    """Wait until all are done, and only then be cancelled by whoever wanted that meanwhile, however often."""
    cancelled: asyncio.CancelledError | None = None
    while not all(future.done() for future in futures):
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class Handover(Generic[T]):
    """A queue from background tasks to the block that they work for: an async iterator.

    A result stays in the queue until it is taken: cancelling the task that waits for it loses nothing. The background
    tasks wait while ``room`` results are in the queue.

    Args:
        room: The most results in the queue.
    """

    def __init__(self, room: int) -> None:
        self._queue: asyncio.Queue[T | Exception | None] = asyncio.Queue()  # None is the end
        self._room = asyncio.Semaphore(room)
        self._left = False

    async def wait_for_room(self) -> None:
        """Wait until a result can be put without waiting."""
        async with self._room:
            pass

    async def put(self, result: T | Exception) -> None:
        """Hand over a result, or the error to raise in its place, when there is room."""
        await self._room.acquire()
        self._queue.put_nowait(result)

    def end(self) -> None:
        """Note that nothing more comes."""
        self._queue.put_nowait(None)

    def leave(self) -> None:
        """Note that the block has ended."""
        self._left = True
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next result, or raise the error that was handed over.

        Raises:
            RuntimeError: The block has ended, and its tasks with it.
        """
        result = None if self._left else await self._queue.get()
        if self._left:
            self.end()  # another task may wait too
            raise RuntimeError("iterate inside the `async with` block: it has ended, and loading with it")
        if result is None:
            self.end()
            raise StopAsyncIteration
        self._room.release()
        if isinstance(result, Exception):
            raise result
        return result


@asynccontextmanager
async def background(handover: Handover[T], workers: Iterable[Worker]) -> AsyncIterator[Handover[T]]:
    """Run workers that put results into a handover, until they are done or the block ends.

    An error of theirs is raised where the results are read. They are tasks of their own, and no task group: a
    generator around the block may be closed by another task than the one that opened it.
    """
    tasks = [asyncio.create_task(_hand_over_errors(handover, worker)) for worker in workers]
    ending = asyncio.create_task(_end_after(handover, tasks))
    try:
        yield handover
    finally:
        handover.leave()
        for task in tasks:
            task.cancel()
        await wait_all_shielded([*tasks, ending])


async def _hand_over_errors(handover: Handover[Any], worker: Worker) -> None:
    try:
        await worker()
    except asyncio.CancelledError as error:
        if is_cancelling():
            raise
        problem = RuntimeError("something that was waited for was cancelled")
        problem.__cause__ = error
        await handover.put(problem)
    except Exception as error:  # noqa: BLE001 - raised where the results are read
        await handover.put(error)


async def _end_after(handover: Handover[Any], tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
    handover.end()
