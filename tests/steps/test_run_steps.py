"""`run_steps` runs functions on the conversations of an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from archives import build_update, rows

from convai_async import Conversation, steps
from convai_async.archive import ArchiveError
from convai_async.errors import InvalidArgumentError
from convai_async.steps import Step, StepReport, run_steps

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import FakeClock

    from convai_async.archive._writer import ArchiveWriter

RESULTS = "SELECT conversation_id, step, version, result FROM step_results ORDER BY 1, 2"
JOBS = "SELECT conversation_id, attempts, due_unix_secs, claim IS NOT NULL, error FROM step_jobs ORDER BY 1"


def build_step(version: int = 1, **settings: Any) -> Step[Any]:
    """Return a step that counts the turns; it fails if one of them is an error."""

    @steps.step("count", version=version, **settings)
    async def count(conversation: Conversation) -> dict[str, int] | None:
        messages = [turn.message for turn in conversation.transcript]
        if "fail" in messages:
            raise ValueError("this one fails")
        return {"turns": len(messages)} if messages else None

    return count


def store(writer: ArchiveWriter, *ids: str, messages: tuple[str, ...] = ("hello",), **details: Any) -> None:
    writer.store([build_update(each, *messages, **details) for each in ids])


async def run_one(path: Path, step: Step[Any], clock: FakeClock, **options: Any) -> StepReport:
    [report] = await run_steps(path, [step], clock=clock, **options)
    return report


async def test_results_of_all_steps_are_stored(path: Path, writer: ArchiveWriter, clock: FakeClock) -> None:
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
    assert rows(path, RESULTS) == [
        ("a", "count", 1, '{"turns":1}'),
        ("a", "score", 3, '{"value":0.5}'),
        ("b", "count", 1, '{"turns":1}'),
        ("b", "score", 3, '{"value":0.5}'),
        ("c", "count", 1, None),
        ("c", "score", 3, '{"value":0.0}'),
    ]
    assert rows(path, JOBS) == []
    assert rows(path, "SELECT DISTINCT finished_unix_secs FROM step_results") == [(1000,)]


async def test_stored_conversations_are_queued_in_the_transaction_that_stores_them(
    path: Path, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a")
    assert rows(path, JOBS) == []
    await run_one(path, build_step(), clock)
    clock.now = 2_000
    store(writer, "a", "b")
    assert rows(path, JOBS) == [("b", 0, 2_000, 0, None)]
    assert (await run_one(path, build_step(), clock)).done == 1


async def test_changed_document_runs_again_and_an_equal_one_does_not(
    path: Path, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", "b")
    await run_one(path, build_step(), clock)
    store(writer, "a")
    store(writer, "b", messages=("one", "two"))
    assert rows(path, RESULTS) == [("a", "count", 1, '{"turns":1}')]
    assert rows(path, JOBS) == [("b", 0, 1000, 0, None)]
    assert (await run_one(path, build_step(), clock)).done == 1
    assert rows(path, RESULTS)[1] == ("b", "count", 1, '{"turns":2}')


async def test_higher_version_runs_again_and_keeps_the_result_until_then(
    path: Path, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", "b")
    await run_one(path, build_step(), clock)
    assert (await run_one(path, build_step(2), clock, ids=["a"])).done == 0
    assert rows(path, RESULTS) == [("a", "count", 1, '{"turns":1}'), ("b", "count", 1, '{"turns":1}')]
    assert (await run_one(path, build_step(2), clock)).done == 2
    assert [version for _, _, version, _ in rows(path, RESULTS)] == [2, 2]


async def test_lower_version_is_refused(path: Path, writer: ArchiveWriter, clock: FakeClock) -> None:
    await run_one(path, build_step(2), clock)
    with pytest.raises(ArchiveError, match=r"^version 2 of the step 'count' was run on this archive, .* version 1: "):
        await run_one(path, build_step(1), clock)


async def test_conversations_in_progress_and_undecodable_ones_wait(
    path: Path, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", status="in-progress")
    store(writer, "b", transcript="not a list")
    assert (await run_one(path, build_step(), clock)).done == 0
    assert (await run_one(path, build_step(2, select="all"), clock)).done == 1
    store(writer, "a", status="in-progress", messages=("one", "two"))
    assert (await run_one(path, build_step(2, select="all"), clock)).done == 1
    assert rows(path, RESULTS) == [("a", "count", 2, '{"turns":2}')]


async def test_failures_are_retried_after_growing_waits_until_they_are_dead(
    path: Path, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", messages=("fail",))
    waits = []
    for attempt in range(1, 9):
        report = await run_one(path, build_step(), clock)
        assert (report.done, report.failed, report.dead) == (0, 1, attempt == 8)
        ((_, attempts, due, _, error),) = rows(path, JOBS)
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


async def test_deleted_conversation_takes_its_results_and_errors_with_it(
    path: Path, writer: ArchiveWriter, clock: FakeClock
) -> None:
    store(writer, "a", "b")
    store(writer, "c", messages=("fail",))
    await run_one(path, build_step(), clock)
    writer.remove(["a", "c"])
    assert rows(path, RESULTS) == [("b", "count", 1, '{"turns":1}')]
    assert rows(path, JOBS) == []


async def test_step_is_called_like_its_function() -> None:
    counted = build_step()
    assert await counted(Conversation(conversation_id="a")) is None
    assert counted.__name__ == "count"
    assert repr(counted) == "<Step 'count' version 1>"


@pytest.mark.parametrize("chosen", [[], [len], [build_step(), build_step(2)]])
async def test_steps_without_their_own_names_are_refused(path: Path, chosen: list[Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="^steps: "):
        await run_steps(path, chosen)
