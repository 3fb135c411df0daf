"""`run_steps` runs functions on the conversations of an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from step_archives import JOBS, RESULTS, build_step, on_both_stores, read_rows, run_one, store

from convai_async import Conversation, steps
from convai_async.archive import ArchiveError
from convai_async.errors import InvalidArgumentError
from convai_async.steps import run_steps

if TYPE_CHECKING:
    from step_archives import FakeClock

    from convai_async.archive._writer import ArchiveWriter

pytest_plugins = ["postgres_fixtures"]


@on_both_stores
async def test_results_of_all_steps_are_stored(path: str, writer: ArchiveWriter, clock: FakeClock) -> None:
    @dataclass
    class Score:
        value: float

    @steps.step("score", version=3)
    def score(conversation: Conversation) -> Score:
        return Score(len(conversation.transcript) / 2)

    store(writer, "a", "b")
    store(writer, "c", messages=())
    reports = await run_steps(path, [build_step(), score], clock=clock)
    assert [(each.step, each.version, each.done, each.failed) for each in reports] == [
        ("count", 1, 3, 0),
        ("score", 3, 3, 0),
    ]
    assert read_rows(path, RESULTS) == [
        ("a", "count", 1, '{"turns":1}'),
        ("a", "score", 3, '{"value":0.5}'),
        ("b", "count", 1, '{"turns":1}'),
        ("b", "score", 3, '{"value":0.5}'),
        ("c", "count", 1, None),
        ("c", "score", 3, '{"value":0.0}'),
    ]
    assert read_rows(path, JOBS) == []
    assert read_rows(path, "SELECT DISTINCT finished_unix_secs FROM step_results") == [(1000,)]


@on_both_stores
async def test_stored_conversations_are_queued_in_the_transaction_that_stores_them(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a")
    assert read_rows(path, JOBS) == []
    await run_one(path, build_step(), clock)
    clock.now = 2_000
    store(writer, "a", "b")
    assert read_rows(path, JOBS) == [("b", 0, 2_000, 0, None)]
    assert (await run_one(path, build_step(), clock)).done == 1


@on_both_stores
async def test_changed_document_runs_again_and_an_equal_one_does_not(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", "b")
    await run_one(path, build_step(), clock)
    store(writer, "a")
    store(writer, "b", messages=("one", "two"))
    assert read_rows(path, RESULTS) == [("a", "count", 1, '{"turns":1}')]
    assert read_rows(path, JOBS) == [("b", 0, 1000, 0, None)]
    assert (await run_one(path, build_step(), clock)).done == 1
    assert read_rows(path, RESULTS)[1] == ("b", "count", 1, '{"turns":2}')


@on_both_stores
async def test_higher_version_runs_again_and_keeps_the_result_until_then(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", "b")
    await run_one(path, build_step(), clock)
    assert (await run_one(path, build_step(2), clock, ids=["a"])).done == 0
    assert read_rows(path, RESULTS) == [("a", "count", 1, '{"turns":1}'), ("b", "count", 1, '{"turns":1}')]
    assert (await run_one(path, build_step(2), clock)).done == 2
    assert [version for _, _, version, _ in read_rows(path, RESULTS)] == [2, 2]


@on_both_stores
async def test_lower_version_is_refused(path: str, writer: ArchiveWriter, clock: FakeClock) -> None:
    await run_one(path, build_step(2), clock)
    with pytest.raises(ArchiveError, match=r"^version 2 of the step 'count' was run on this archive, .* version 1: "):
        await run_one(path, build_step(1), clock)


@on_both_stores
async def test_conversations_in_progress_and_undecodable_ones_wait(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", status="in-progress")
    store(writer, "b", transcript="not a list")
    assert (await run_one(path, build_step(), clock)).done == 0
    assert (await run_one(path, build_step(2, select="all"), clock)).done == 1
    store(writer, "a", status="in-progress", messages=("one", "two"))
    assert (await run_one(path, build_step(2, select="all"), clock)).done == 1
    assert read_rows(path, RESULTS) == [("a", "count", 2, '{"turns":2}')]


@on_both_stores
async def test_failures_are_retried_after_growing_waits_until_they_are_dead(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", messages=("fail",))
    waits = []
    for attempt in range(1, 9):
        report = await run_one(path, build_step(), clock)
        assert (report.done, report.failed, report.dead) == (0, 1, attempt == 8)
        ((_, attempts, due, _, error),) = read_rows(path, JOBS)
        assert attempts == attempt
        assert error.startswith("ValueError: this one fails (line ")
        if due is not None:
            waits.append(due - int(clock.now))
            clock.now = due - 1
            assert (await run_one(path, build_step(), clock)).failed == 0
            clock.now = due
    assert waits == [10, 40, 160, 640, 2560, 10240, 40960]
    clock.now += 10_000_000
    assert (await run_one(path, build_step(), clock)).failed == 0


@on_both_stores
async def test_deleted_conversation_takes_its_results_and_errors_with_it(
    path: str, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", "b")
    store(writer, "c", messages=("fail",))
    await run_one(path, build_step(), clock)
    writer.remove(["a", "c"])
    assert read_rows(path, RESULTS) == [("b", "count", 1, '{"turns":1}')]
    assert read_rows(path, JOBS) == []


async def test_step_is_called_like_its_function() -> None:
    counted = build_step()
    assert await counted(Conversation(conversation_id="a")) is None
    assert counted.__name__ == "count"  # type: ignore[attr-defined]
    assert repr(counted) == "<Step 'count' version 1>"


@pytest.mark.parametrize("chosen", [[], [len], [build_step(), build_step(2)]])
async def test_steps_without_their_own_names_are_refused(path: str, chosen: list[Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^steps: "):
        await run_steps(path, chosen)
