"""Whatever happens in which order, every final conversation ends with one result of the newest version, or dead."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from archives import SOURCE
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from step_archives import FakeClock, read_rows, run_one, store

from convai_async import Conversation, steps
from convai_async.archive._step_queue import LEASE_SECS, StepQueue
from convai_async.archive._steps._records import StepOutcome
from convai_async.archive._writer import ArchiveWriter
from convai_async.steps import Step, retry_steps

IDS = st.sampled_from([f"conv_{number}" for number in range(5)])
DOCUMENTS = st.integers(0, 3)
"""A document says its number; the step fails for some of them."""


class StepsInAnyOrder(RuleBasedStateMachine):
    """An archive with a step, and what is in it as far as the test knows."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = str(self.folder / "calls.db")
        self.clock = FakeClock()
        self.writer = ArchiveWriter(self.path, SOURCE, exclusive=False, clock=self.clock)
        self.stored: dict[str, tuple[int, bool]] = {}
        self.deleted: set[str] = set()
        self.failing: set[int] = set()
        self.version = 1

    def teardown(self) -> None:
        self.check_end()
        self.writer.close()
        shutil.rmtree(self.folder)

    def build_step(self) -> Step[Any]:
        @steps.step("mark", version=self.version, max_attempts=3)
        async def mark(conversation: Conversation) -> int:
            number = int(conversation.transcript[0].message or "")
            if number in self.failing:
                raise ValueError(f"number {number}")
            return number

        return mark

    def run_step(self) -> None:
        asyncio.run(run_one(self.path, self.build_step(), self.clock))

    @rule(conversation_id=IDS, number=DOCUMENTS, final=st.booleans())
    def store(self, conversation_id: str, number: int, final: bool) -> None:
        store(self.writer, conversation_id, messages=(str(number),), status="done" if final else "in-progress")
        if conversation_id not in self.deleted:  # those are not stored again
            self.stored[conversation_id] = (number, final)

    @rule(conversation_id=IDS)
    def delete(self, conversation_id: str) -> None:
        self.writer.remove([conversation_id])
        self.stored.pop(conversation_id, None)
        self.deleted.add(conversation_id)

    @rule(number=DOCUMENTS)
    def begin_or_stop_to_fail(self, number: int) -> None:
        self.failing ^= {number}

    @rule()
    def raise_version(self) -> None:
        self.version += 1

    @rule(seconds=st.sampled_from([1, 10, LEASE_SECS, 3600]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def run(self) -> None:
        self.run_step()

    @rule(count=st.integers(1, 4), finish=st.booleans())
    def die_in_a_run(self, count: int, finish: bool) -> None:
        """Claim conversations, and end without a result; or come back late with a wrong one."""
        step = self.build_step().settings
        with StepQueue(self.path, clock=self.clock) as queue:
            queue.register(step)
            queue.queue_stored(step)
            jobs = queue.claim(step, count)
            if finish:
                self.clock.now += LEASE_SECS
                while queue.claim(step, 10):
                    pass
                outcomes = [StepOutcome(job, result="-1") for job in jobs]
                assert queue.finish(step, outcomes) == (0, 0)

    @precondition(lambda self: self.stored)
    @rule()
    def retry(self) -> None:
        retry_steps(self.path, clock=self.clock)

    @invariant()
    def results_are_of_the_stored_documents(self) -> None:
        for conversation_id, version, result in read_rows(
            self.path, "SELECT conversation_id, version, result FROM step_results"
        ):
            number, final = self.stored[conversation_id]
            assert (result, final) == (str(number), True)
            assert version <= self.version

    def check_end(self) -> None:
        self.run_step()
        while read_rows(self.path, "SELECT 1 FROM step_jobs WHERE due_unix_secs IS NOT NULL"):
            self.clock.now += 100_000
            self.run_step()
        expected = {each for each, (_, final) in self.stored.items() if final}
        done = read_rows(self.path, "SELECT conversation_id, version FROM step_results")
        dead = read_rows(self.path, "SELECT conversation_id, version, due_unix_secs, error FROM step_jobs")
        failed = {each for each in expected if self.stored[each][0] in self.failing}
        assert all(due is None and error for _, _, due, error in dead)
        results = {(each, version) for each, version in done if version == self.version}
        dead_ids = {each for each, *_ in dead}
        assert failed - dead_ids <= {each for each, _ in results}, "it was done before it began to fail"
        assert {each for each, _ in results} | dead_ids == expected
        assert {each for each, _ in results} & dead_ids == set()


StepsInAnyOrder.TestCase.settings = settings(
    max_examples=8, stateful_step_count=15, deadline=None, phases=[Phase.generate]
)
test_steps_in_any_order = StepsInAnyOrder.TestCase
