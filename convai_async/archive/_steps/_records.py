"""The settings, jobs, outcomes and states of steps."""

from __future__ import annotations

from typing import Literal

import msgspec


class StepSettings(msgspec.Struct, frozen=True):
    """The settings of a step that its jobs depend on.

    Attributes:
        name: Its name.
        version: Its version.
        selects: The conversations that it runs on.
        max_attempts: After how many failed attempts a job is dead.
    """

    name: str
    version: int
    selects: Literal["final", "all"]
    max_attempts: int


class StepJob(msgspec.Struct, frozen=True):
    """A conversation that a step has to process, and that this process has claimed.

    Attributes:
        conversation_id: The conversation.
        attempts: How many attempts have failed.
        is_lost: Whether the process ended in which the last attempt ran.
        claim: Identifies the batch.
    """

    conversation_id: str
    attempts: int
    is_lost: bool
    claim: str


class StepOutcome(msgspec.Struct, frozen=True):
    """How a job ended.

    Attributes:
        job: The job.
        result: The result, JSON; None if there is none.
        error: The error of an attempt that failed; else None.
        retry_secs: After how many seconds a failed job is tried again; None if it is dead.
    """

    job: StepJob
    result: str | None = None
    error: str | None = None
    retry_secs: int | None = None


class StepStatus(msgspec.Struct, frozen=True):
    """The state of a step, in numbers of conversations.

    Attributes:
        name: Its name.
        version: Its newest version that was run.
        selects: ``"final"`` if it runs on final conversations only, or ``"all"``.
        queueing: Whether conversations that were stored before it was run are still being queued.
        done: How many have a result of this version.
        outdated: How many have a result of an older version.
        due: How many can run now.
        running: How many are being processed.
        waiting: How many have failed, and wait for their next attempt.
        dead: How many have no attempts left.
        next_unix_secs: The time of the next attempt of those that wait, in Unix seconds; None if none waits.
    """

    name: str
    version: int
    selects: str
    queueing: bool
    done: int
    outdated: int
    due: int
    running: int
    waiting: int
    dead: int
    next_unix_secs: int | None


class StepFailure(msgspec.Struct, frozen=True):
    """A conversation that a step failed to process.

    Attributes:
        step: The name of the step.
        conversation_id: The conversation.
        attempts: How many attempts have failed.
        error: The error of the last one.
        retry_unix_secs: The time of the next attempt in Unix seconds; None if it is dead.
    """

    step: str
    conversation_id: str
    attempts: int
    error: str
    retry_unix_secs: int | None
