"""The runner of a step: many at once, interrupted, killed, or beside another one."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from step_archives import JOBS, RESULTS, FakeClock, build_step, on_both_stores, read_rows, run_one, store

from convai_async import Conversation, steps
from convai_async.archive import Archive, ArchiveError
from convai_async.archive._step_queue import LEASE_SECS, StepQueue
from convai_async.steps import Step, _runner, run_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.archive._writer import ArchiveWriter

pytest_plugins = ["postgres_fixtures"]


class Gate:
    """A step whose calls wait until the test lets them go on."""

    def __init__(self, **settings: Any) -> None:
        self.started: list[str] = []
        self.open = asyncio.Event()
        self.changed = asyncio.Event()
        self.step: Step[Any] = steps.step("gate", version=1, **settings)(self.run)

    async def run(self, conversation: Conversation) -> str:
        self.started.append(conversation.conversation_id)
        self.changed.set()
        await self.open.wait()
        return conversation.conversation_id

    async def wait_for(self, count: int) -> None:
        while len(self.started) < count:
            self.changed.clear()
            await self.changed.wait()


async def test_step_runs_on_as_many_conversations_at_once_as_its_concurrency(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, *"abcde")
    gate = Gate(concurrency=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(run_one(path, gate.step, clock))
        await gate.wait_for(3)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(gate.started) == 3
        gate.open.set()
    assert len(read_rows(path, RESULTS)) == 5


async def test_function_that_is_not_async_runs_in_threads(path: str, writer: ArchiveWriter, clock: FakeClock) -> None:
    barrier = threading.Barrier(2, timeout=10)

    @steps.step("threads", version=1, concurrency=2)
    def meet(conversation: Conversation) -> bool:
        barrier.wait()
        return threading.current_thread() is not threading.main_thread()

    store(writer, "a", "b")
    await run_one(path, meet, clock)
    assert {result for *_, result in read_rows(path, RESULTS)} == {"true"}


async def test_attempt_that_takes_longer_than_the_timeout_fails(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    @steps.step("slow", version=1, timeout=0.01)
    async def slow(conversation: Conversation) -> None:
        await asyncio.Event().wait()

    @steps.step("impatient", version=1)
    async def impatient(conversation: Conversation) -> None:
        raise TimeoutError("the model does not respond")

    store(writer, "a")
    await run_steps(path, [slow, impatient], clock=clock)
    (_, first), (_, second) = read_rows(path, "SELECT step, error FROM step_jobs ORDER BY step")
    assert first.startswith("TimeoutError: the model does not respond (line ")
    assert second.startswith("TimeoutError: it took longer than 0.01 s")


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def cancel_itself() -> None:
    raise asyncio.CancelledError


def raise_unprintable() -> None:
    raise UnprintableError


def leave() -> None:
    sys.exit(3)


def raise_long() -> None:
    raise ValueError("\0\udc80" + "x" * 5_000)


@on_both_stores
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    ("fail", "error"),
    [
        (cancel_itself, "CancelledError (line "),
        (leave, "SystemExit: 3 (line "),
        (raise_unprintable, "UnprintableError (line "),
        (raise_long, "ValueError: \ufffd?xxx"),
        (object, "TypeError: Encoding objects of type object is unsupported"),
        (lambda: "\udc80", "UnicodeEncodeError: "),
    ],
)
async def test_error_is_stored_as_text_that_every_database_holds(
    path: str, writer: ArchiveWriter, clock: FakeClock, fail: Callable[[], Any], error: str, is_async: bool
) -> None:
    async def run_async(conversation: Conversation) -> Any:
        return fail()

    def run_in_thread(conversation: Conversation) -> Any:
        return fail()

    store(writer, "a")
    fails = steps.step("fails", version=1)(run_async if is_async else run_in_thread)
    report = await run_one(path, fails, clock)
    [(_, attempts, _, claimed, stored)] = read_rows(path, JOBS)
    assert (report.failed, attempts, bool(claimed)) == (1, 1, False)
    assert stored.startswith(error)
    assert len(stored) < 1_100


async def test_error_names_the_line_of_the_step_that_it_comes_from(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    def divide(conversation: Conversation) -> float:
        return len(conversation.transcript) / 0

    store(writer, "a")
    report = await run_one(path, steps.step("fails", version=1)(divide), clock)
    assert report.last_error == f"ZeroDivisionError: division by zero (line {divide.__code__.co_firstlineno + 1})"


async def test_object_that_can_be_called_is_a_step(path: str, writer: ArchiveWriter, clock: FakeClock) -> None:
    class Scorer:
        def __call__(self, conversation: Conversation) -> int:
            raise KeyError(conversation.conversation_id)

    store(writer, "a")
    await run_one(path, steps.step("object", version=1)(Scorer()), clock)
    assert read_rows(path, JOBS) == [("a", 1, 1_010, 0, "KeyError: 'a'")]


async def test_stop_lets_running_conversations_finish_and_gives_the_others_back(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, *"abcd")
    gate, stop = Gate(concurrency=2), anyio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_one(path, gate.step, clock, stop=stop))
        await gate.wait_for(2)
        stop.set()
        gate.open.set()
    assert task.result().done == 2
    assert [row[0] for row in read_rows(path, RESULTS)] == gate.started
    assert read_rows(path, JOBS) == [("c", 0, 1_000, 0, None), ("d", 0, 1_000, 0, None)]


async def test_conversation_that_does_not_finish_after_stop_is_cancelled(
    path: str, writer: ArchiveWriter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runner, "_GRACE_SECS", 0.01)
    store(writer, "a", "b")
    gate, stop = Gate(concurrency=1), anyio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_one(path, gate.step, clock, stop=stop))
        await gate.wait_for(1)
        stop.set()
    assert task.result().done == 0
    assert read_rows(path, JOBS) == [("a", 0, 1_000, 0, None), ("b", 0, 1_000, 0, None)]


async def test_cancelled_run_stores_what_is_done_and_gives_the_rest_back(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, *"abc")
    done = asyncio.Event()

    @steps.step("first", version=1, concurrency=1)
    async def only_the_first(conversation: Conversation) -> int:
        if conversation.conversation_id != "a":
            done.set()
            await asyncio.Event().wait()
        return 1

    task = asyncio.create_task(run_one(path, only_the_first, clock))
    await done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert read_rows(path, RESULTS) == [("a", "first", 1, "1")]
    assert read_rows(path, JOBS) == [("b", 0, 1_000, 0, None), ("c", 0, 1_000, 0, None)]


async def test_generator_exit_in_a_step_ends_the_run_and_gives_the_rest_back(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    @steps.step("closed", version=1, concurrency=1)
    async def close(conversation: Conversation) -> None:
        raise GeneratorExit

    store(writer, "a", "b")
    with pytest.raises(GeneratorExit):
        await run_one(path, close, clock)
    assert read_rows(path, JOBS) == [("a", 0, 1_000, 0, None), ("b", 0, 1_000, 0, None)]


async def test_run_stops_when_many_conversations_fail_one_after_the_other(
    path: str, writer: ArchiveWriter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runner, "BATCH", 5)
    store(writer, *(f"conv_{number:02}" for number in range(20)), messages=("fail",))
    report = await run_one(path, build_step(concurrency=1), clock)
    assert (report.failed, report.aborted) == (5, True)
    assert report.last_error is not None
    assert report.last_error.startswith("ValueError: this one fails")
    assert [row[1] for row in read_rows(path, JOBS)] == 5 * [1] + 15 * [0]


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_run_whose_last_conversations_fail_is_not_aborted(
    path: str, writer: ArchiveWriter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    monkeypatch.setattr(_runner, "BATCH", 5)
    store(writer, *(f"conv_{number:02}" for number in range(5)), messages=("fail",))
    report = await run_one(path, build_step(concurrency=concurrency), clock)
    assert (report.failed, report.aborted) == (5, False)


async def test_two_runners_share_the_conversations(
    path: str, writer: ArchiveWriter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runner, "BATCH", 2)
    store(writer, *"abcdef")
    first, second = Gate(concurrency=2), Gate(concurrency=2)
    async with asyncio.TaskGroup() as group:
        group.create_task(run_one(path, first.step, clock))
        await first.wait_for(2)
        group.create_task(run_one(path, second.step, clock))
        await second.wait_for(2)
        first.open.set()
        second.open.set()
    assert sorted(first.started + second.started) == list("abcdef")


@on_both_stores
@pytest.mark.parametrize("change", ["changed", "deleted", "taken over", "newer version"])
async def test_result_of_a_conversation_that_is_not_claimed_any_more_is_discarded(
    path: str, writer: ArchiveWriter, clock: FakeClock, change: str
) -> None:
    store(writer, "a")
    gate, stop = Gate(concurrency=1), anyio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_one(path, gate.step, clock, stop=stop))
        await gate.wait_for(1)
        stop.set()
        if change == "changed":
            store(writer, "a", messages=("another", "document"))
        elif change == "deleted":
            writer.remove(["a"])
        elif change == "taken over":
            clock.now += LEASE_SECS
            with StepQueue(path, clock=clock) as queue:
                [job] = queue.claim(gate.step.settings, 10)
            assert (job.attempts, job.is_lost) == (1, True)
        else:
            with StepQueue(path, clock=clock) as queue:
                queue.register(steps.step("gate", version=2)(gate.run).settings)
        gate.open.set()
    assert (task.result().done, task.result().discarded) == (0, 1)
    assert read_rows(path, RESULTS) == []
    jobs = [row[1:4] for row in read_rows(path, JOBS)]
    assert (
        jobs
        == {
            "changed": [(0, 1_000, 0)],
            "deleted": [],
            "taken over": [(1, 1_000 + 2 * LEASE_SECS, 1)],
            "newer version": [(0, 1_000, 0)],
        }[change]
    )


async def test_runner_of_an_older_version_stops_when_a_newer_one_is_run(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a")
    gate = Gate(concurrency=1)
    with pytest.raises(ExceptionGroup) as errors:  # noqa: PT012 - the group is the one of the test
        async with asyncio.TaskGroup() as group:
            group.create_task(run_one(path, gate.step, clock))
            await gate.wait_for(1)
            await run_one(path, steps.step("gate", version=2)(lambda _: None), clock)
            gate.open.set()
    assert errors.group_contains(ArchiveError, match=r"^version 2 of the step 'gate' was run on this archive")


def test_claims_are_renewed_often_enough_that_one_renewal_can_fail() -> None:
    assert 2 * (_runner._RENEW_SECS + _runner._TICK_SECS) < LEASE_SECS


async def test_claims_are_renewed_while_conversations_are_processed(
    path: str, writer: ArchiveWriter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runner, "_TICK_SECS", 0.001)
    monkeypatch.setattr(_runner, "_RENEW_SECS", 0.0)
    store(writer, "a", "b")
    gate = Gate(concurrency=1)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_one(path, gate.step, clock))
        await gate.wait_for(1)
        clock.now += LEASE_SECS - 1
        async with asyncio.timeout(30):
            while {row[2] for row in read_rows(path, JOBS)} != {1_000 + 2 * LEASE_SECS - 1}:
                await asyncio.sleep(0.01)
        clock.now += LEASE_SECS - 1
        with StepQueue(path, clock=clock) as queue:
            assert queue.claim(gate.step.settings, 10) == []
        gate.open.set()
    assert task.result().done == 2


async def test_results_are_stored_while_other_conversations_are_processed(
    path: str, writer: ArchiveWriter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runner, "_TICK_SECS", 0.001)
    waits = asyncio.Event()

    @steps.step("second_waits", version=1)
    async def wait_for_all_but_the_first(conversation: Conversation) -> int:
        if conversation.conversation_id != "a":
            await waits.wait()
        return 1

    store(writer, "a", "b")
    async with asyncio.TaskGroup() as group:
        group.create_task(run_one(path, wait_for_all_but_the_first, clock))
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(read_rows, path, RESULTS):
                await asyncio.sleep(0.01)
        assert [row[0] for row in read_rows(path, RESULTS)] == ["a"]
        waits.set()


async def test_removed_conversation_of_a_batch_is_skipped(path: str, writer: ArchiveWriter, clock: FakeClock) -> None:
    @steps.step("remove", version=1, concurrency=1)
    async def remove(conversation: Conversation) -> None:
        if conversation.conversation_id == "a":
            monkeypatch.setattr(_runner, "_READ_AT_ONCE", 20)
            await asyncio.to_thread(writer.remove, ["b", "c"])

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(_runner, "_READ_AT_ONCE", 1)
        store(writer, *"abcd")
        assert (await run_one(path, remove, clock)).done == 2
    assert [row[0] for row in read_rows(path, RESULTS)] == ["a", "d"]


@on_both_stores
def test_jobs_of_processes_that_end_come_in_smaller_batches_until_they_are_dead(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    settings = build_step(max_attempts=5).settings
    ids = [f"conv_{number:02}" for number in range(80)]
    with StepQueue(path, clock=clock) as queue:
        queue.register(settings)
        store(writer, *ids)
        sizes = []
        for _ in range(5):  # the process ends each time
            sizes.append(len(queue.claim(settings, 64)))
            clock.now += LEASE_SECS
        assert sizes == [64, 16, 16, 16, 16]  # the others of the first batch come before those that were lost twice
        store(writer, *ids[1:], messages=("changed",))
        sizes = []
        while jobs := queue.claim(settings, 64, ids[:1]):
            sizes.append(len(jobs))
            clock.now += LEASE_SECS
    dead = [row for row in read_rows(path, JOBS) if row[2] is None]
    assert [(row[0], row[1], row[4]) for row in dead] == [
        (ids[0], 5, "the process ended, or was stopped for too long, while the step ran")
    ]


@pytest.mark.parametrize("lost_first", [True, False])
async def test_conversations_whose_process_ended_run_apart_from_others(
    path: str, writer: ArchiveWriter, clock: FakeClock, *, lost_first: bool
) -> None:
    gate = Gate(concurrency=4, timeout=None)
    with StepQueue(path, clock=clock) as queue:
        queue.register(gate.step.settings)
        store(writer, "lost_1", "lost_2")
        assert len(queue.claim(gate.step.settings, 10)) == 2
        clock.now += LEASE_SECS + (1 if lost_first else -1)
        store(writer, "other_1", "other_2")
        clock.now += 2
    first, second = ("lost", "other") if lost_first else ("other", "lost")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_one(path, gate.step, clock))
        await gate.wait_for(2)
        for _ in range(10):
            await asyncio.to_thread(read_rows, path, JOBS)
        assert sorted(gate.started) == [f"{first}_1", f"{first}_2"]
        gate.open.set()
    assert sorted(gate.started[2:]) == [f"{second}_1", f"{second}_2"]
    assert task.result().done == 4


async def test_failed_write_is_tried_again_at_the_end_of_the_run(
    path: str, writer: ArchiveWriter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(writer, "a", "b")
    finish, errors = StepQueue.finish, [ArchiveError("the disk is full")]

    def fail_once(*arguments: Any) -> Any:
        if errors:
            raise errors.pop()
        return finish(*arguments)

    monkeypatch.setattr(StepQueue, "finish", fail_once)
    monkeypatch.setattr(_runner, "_STORED_AT_ONCE", 1)
    with pytest.raises(ArchiveError, match="the disk is full"):
        await run_one(path, build_step(concurrency=1), clock)
    assert read_rows(path, RESULTS) == [("a", "count", 1, '{"turns":1}')]
    assert read_rows(path, JOBS) == [("b", 0, 1_000, 0, None)]


async def test_progress_has_the_reports_of_all_steps(path: str, writer: ArchiveWriter, clock: FakeClock) -> None:
    store(writer, "a")
    seen: list[list[tuple[str, int]]] = []
    other = steps.step("other", version=1)(lambda _: None)
    await run_steps(
        path,
        [build_step(), other],
        progress=lambda reports: seen.append([(each.step, each.done) for each in reports]),
        clock=clock,
    )
    assert len(seen) == 2
    assert seen[-1] == [("count", 1), ("other", 1)]


@on_both_stores
async def test_conversations_that_were_stored_before_are_queued_in_parts(
    path: str, writer: ArchiveWriter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.archive._step_queue._QUEUED_AT_ONCE", 2)
    store(writer, *"abcde")
    settings = build_step().settings
    with StepQueue(path, clock=clock) as queue:
        queue.register(settings)
        assert queue.queue_stored(settings) == 2
        assert [status.queueing for status in steps.get_step_status(path, clock=clock)] == [True]
        store(writer, "a", "e", "f")
        assert [row[0] for row in read_rows(path, JOBS)] == ["a", "b", "e", "f"]
    assert (await run_one(path, build_step(), clock)).done == 6
    assert [status.queueing for status in steps.get_step_status(path, clock=clock)] == [False]


@on_both_stores
async def test_clock_is_the_one_of_the_store(path: str, writer: ArchiveWriter) -> None:
    store(writer, "a")
    await run_steps(path, [build_step()])
    with Archive.open(path) as archive, archive.snapshot() as connection:
        [(finished,)] = connection.execute("SELECT finished_unix_secs FROM step_results").fetchall()
    assert finished > 1_700_000_000


@pytest.mark.parametrize("path", ["postgres"], indirect=True)
async def test_result_with_nul_is_json_for_postgresql(path: str, writer: ArchiveWriter, clock: FakeClock) -> None:
    @steps.step("echo", version=1)
    async def echo(conversation: Conversation) -> Any:
        return {"message": "a\0"}

    store(writer, "a")
    await run_one(path, echo, clock)
    assert read_rows(path, "SELECT CAST(result AS json) ->> 'message' FROM step_results") == [("a\ufffd",)]
