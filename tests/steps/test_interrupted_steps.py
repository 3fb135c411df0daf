"""Steps that raise `KeyboardInterrupt`, fork, or do not end."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from contextlib import closing
from threading import Event, Thread, current_thread
from typing import TYPE_CHECKING, Any

import pytest
from step_archives import JOBS, RESULTS, FakeClock, build_step, on_both_stores, read_rows, run_one, store

from convai_async import Conversation, steps
from convai_async.archive import Archive
from convai_async.archive._step_queue import StepQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.archive._writer import ArchiveWriter

pytest_plugins = ["postgres_fixtures"]

may_fork = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
"""Python 3.12 warns of forks in a process with threads."""


def make_step(function: Callable[[Conversation], Any], *, is_async: bool, **settings: Any) -> steps.Step[Any]:
    async def run_async(conversation: Conversation) -> Any:
        return function(conversation)

    return steps.step("example", version=1, **settings)(run_async if is_async else function)


@on_both_stores
@pytest.mark.parametrize("is_async", [True, False])
def test_keyboard_interrupt_in_a_step_stores_what_is_done_and_gives_the_rest_back(
    path: str, writer: ArchiveWriter, clock: FakeClock, is_async: bool
) -> None:
    def interrupt(conversation: Conversation) -> int:
        if conversation.conversation_id == "b":
            raise KeyboardInterrupt
        return 1

    store(writer, *"abc")
    interrupted = make_step(interrupt, is_async=is_async, concurrency=1)
    with pytest.raises(KeyboardInterrupt) as raised:
        asyncio.run(run_one(path, interrupted, clock))
    assert isinstance(raised.value.__cause__, KeyboardInterrupt), "has the line of the step"
    assert read_rows(path, RESULTS) == [("a", "example", 1, "1")]
    assert read_rows(path, JOBS) == [("b", 0, 1_000, 0, None), ("c", 0, 1_000, 0, None)]


def test_function_that_does_not_end_keeps_neither_the_run_nor_the_process(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    end, threads = Event(), []

    def wait(conversation: Conversation) -> None:
        threads.append(current_thread())
        end.wait()

    store(writer, "a")
    report = asyncio.run(run_one(path, make_step(wait, is_async=False, timeout=0.01), clock))
    assert report.failed == 1
    assert threads[0].daemon
    end.set()
    threads[0].join()


def fail() -> None:
    raise ValueError("in the child")


@may_fork
@on_both_stores
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    ("leave", "code"), [(int, 0), (sys.exit, 0), (lambda: sys.exit(3), 3), (lambda: sys.exit("problem"), 1), (fail, 1)]
)
async def test_child_that_a_step_forks_ends_with_the_function(
    path: str, writer: ArchiveWriter, clock: FakeClock, leave: Callable[[], Any], code: int, is_async: bool
) -> None:
    def fork(conversation: Conversation) -> int:
        child = os.fork()
        if child == 0:
            leave()
            return -1
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    store(writer, "a", "b")
    report = await run_one(path, make_step(fork, is_async=is_async), clock)
    assert report.done == 2
    assert {row[3] for row in read_rows(path, RESULTS)} == {str(code)}


def read_archive(path: str) -> None:
    with Archive.open(path) as archive:
        assert len(list(archive.conversations())) == 4


@may_fork
@on_both_stores
async def test_children_of_multiprocessing_can_read_the_archive_meanwhile(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    def start(conversation: Conversation) -> int | None:
        child = multiprocessing.get_context("fork").Process(target=read_archive, args=(path,))
        child.start()
        child.join()
        return child.exitcode

    store(writer, *"abcd")
    report = await run_one(path, make_step(start, is_async=False), clock)
    assert report.done == 4
    assert {row[3] for row in read_rows(path, RESULTS)} == {"0"}


@may_fork
def test_fork_waits_until_other_threads_do_not_use_the_database(path: str, writer: ArchiveWriter) -> None:
    in_transaction, about_to_fork = Event(), Event()

    def read_clock() -> float:
        in_transaction.set()
        about_to_fork.wait()
        return 1_000.0

    with closing(StepQueue(path, clock=read_clock)) as queue:
        thread = Thread(target=queue.renew, args=(build_step().settings, []))
        thread.start()
        in_transaction.wait()
        os.register_at_fork(before=about_to_fork.set)  # runs before those that were registered earlier
        child = os.fork()
        if child == 0:
            os._exit(queue._lock.locked())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        thread.join()
        assert not queue._lock.locked()
