"""Archives and steps in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from archives import build_update

from convai_async import Conversation, steps
from convai_async.archive import Archive
from convai_async.steps import Step, StepReport, run_steps

if TYPE_CHECKING:
    from convai_async.archive._writer import ArchiveWriter

RESULTS = "SELECT conversation_id, step, version, result FROM step_results ORDER BY 1, 2"
JOBS = "SELECT conversation_id, attempts, due_unix_secs, claim IS NOT NULL, error FROM step_jobs ORDER BY 1"

on_both_stores = pytest.mark.parametrize("path", ["sqlite", "postgres"], indirect=True)
"""Runs a test with an SQLite file, and with a PostgreSQL database."""


class FakeClock:
    """Returns Unix seconds that only a test changes."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def read_rows(path: str, query: str) -> list[tuple[Any, ...]]:
    with Archive.open(path) as archive, archive.snapshot() as connection:
        return connection.execute(query).fetchall()


def build_step(version: int = 1, **settings: Any) -> Step[Any]:
    """Return a step that counts the turns; it fails if one of them is an error, and returns None if there are none."""

    @steps.step("count", version=version, **settings)
    async def count(conversation: Conversation) -> dict[str, int] | None:
        messages = [turn.message for turn in conversation.transcript]
        if "fail" in messages:
            raise ValueError("this one fails")
        return {"turns": len(messages)} if messages else None

    return count


def store(writer: ArchiveWriter, *ids: str, messages: tuple[str, ...] = ("hello",), **details: Any) -> None:
    writer.store([build_update(each, *messages, **details) for each in ids])


async def run_one(path: str, step: Step[Any], clock: FakeClock, **options: Any) -> StepReport:
    [report] = await run_steps(path, [step], clock=clock, **options)
    return report
