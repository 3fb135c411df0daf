"""Processes that run a step and are killed at any statement: ``python step_deaths.py ARCHIVE DEATHS LOG``.

Each is a fork, since that is fast. It kills itself before or after one of its statements. Between them, conversations
are stored and changed. In the end, one process works through the rest. The step writes the ids that it processes to
LOG. What was stored last is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from typing import Any

from archives import SOURCE
from step_archives import FakeClock, run_one, store

from convai_async import Conversation, steps
from convai_async.archive._step_queue import LEASE_SECS, StepQueue
from convai_async.archive._writer import ArchiveWriter

MOST_STATEMENTS = 60


class MortalConnection:
    """A connection that kills the process before or after one of its statements."""

    def __init__(self, connection: Any, last: int, *, before: bool) -> None:
        self._connection = connection
        self._left = last
        self._before = before

    def execute(self, *arguments: Any) -> Any:
        return self._call("execute", *arguments)

    def executemany(self, *arguments: Any) -> Any:
        return self._call("executemany", *arguments)

    def _call(self, name: str, *arguments: Any) -> Any:
        self._left -= 1
        if self._left == 0 and self._before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = getattr(self._connection, name)(*arguments)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class MortalQueue(StepQueue):
    """A queue with such a connection; the end of a transaction is a statement too."""

    last = 0
    before = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connection: Any = MortalConnection(self._connection, self.last, before=self.before)


def build_step(log: int) -> steps.Step[Any]:
    @steps.step("mark", version=1, max_attempts=1_000, concurrency=4)
    async def mark(conversation: Conversation) -> str | None:
        os.write(log, f"{conversation.conversation_id}\n".encode())
        await asyncio.sleep(0)
        return conversation.transcript[0].message

    return mark


def run_step(path: str, step: steps.Step[Any], clock: FakeClock) -> None:
    asyncio.run(run_one(path, step, clock))


def die(path: str, step: steps.Step[Any], clock: FakeClock) -> None:
    """Run the step in a fork that is killed, unless it ends before."""
    child = os.fork()
    if child == 0:
        steps._api.StepQueue = MortalQueue  # type: ignore[attr-defined]
        run_step(path, step, clock)
        os._exit(0)
    os.waitpid(child, 0)


def main(path: str, deaths: int, log: str) -> None:
    randomness, clock = random.Random(deaths), FakeClock()
    step = build_step(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    stored: dict[str, str] = {}
    for number in range(deaths):
        with ArchiveWriter(path, SOURCE, exclusive=False, clock=clock) as writer:
            for _ in range(20):
                conversation_id, message = f"conv_{randomness.randrange(20 * deaths)}", str(number)
                store(writer, conversation_id, messages=(message,))
                stored[conversation_id] = message
        clock.now += LEASE_SECS
        MortalQueue.last, MortalQueue.before = randomness.randint(1, MOST_STATEMENTS), randomness.random() < 0.5
        die(path, step, clock)
    clock.now += LEASE_SECS
    run_step(path, step, clock)
    print(json.dumps(stored))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
