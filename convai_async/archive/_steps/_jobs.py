"""The jobs and results of steps: statements for the tables of `_step_tables`, in the transaction of the caller.

Storing a conversation queues it for the steps that are known. A batch is claimed with random text, which all its jobs
have until they end or until their time is over. A result or an error is written only if the job still has that text:
it does not if another process took the job over, or if the conversation or the step has changed.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from convai_async.archive._errors import ArchiveError
from convai_async.archive._precedence import IS_COMPLETE
from convai_async.archive._sql import BY_ID, encode_list, to_struct
from convai_async.archive._steps._records import StepFailure, StepJob, StepStatus
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from convai_async.archive._connection import Connection
    from convai_async.archive._steps._records import StepOutcome, StepSettings

_LOST = "the process ended, or was stopped for too long, while the step ran"
_LOST_SHRINK = 4
"""By how much a batch is smaller for each attempt of a job whose process ended, to find the one that ends it."""

_QUEUE = f"""
INSERT INTO step_jobs (conversation_id, step, version, attempts, due_unix_secs)
SELECT conversation_id, name, version, 0, ? FROM conversations CROSS JOIN steps
WHERE {BY_ID} AND {{which}} AND decode_error IS NULL AND (selects = 'all' OR {IS_COMPLETE})
    AND NOT EXISTS (
        SELECT 1 FROM step_results WHERE step_results.conversation_id = conversations.conversation_id
        AND step_results.step = steps.name AND step_results.version >= steps.version
    )
ON CONFLICT (conversation_id, step) DO NOTHING
"""  # noqa: S608 - constants
_QUEUE_ALL, _QUEUE_ONE = _QUEUE.format(which="true"), _QUEUE.format(which="name = ?")

_REGISTER = """
INSERT INTO steps (name, version, selects, queued_to) VALUES (?, ?, ?, '')
ON CONFLICT (name) DO UPDATE SET version = excluded.version, selects = excluded.selects, queued_to = ''
"""
_RENEW_OLDER = """
UPDATE step_jobs SET version = ?, attempts = 0, due_unix_secs = ?, claim = NULL, error = NULL
WHERE step = ? AND version < ?
"""

_STORE_RESULT = """
INSERT INTO step_results (conversation_id, step, version, result, finished_unix_secs)
SELECT conversation_id, step, version, ?, ? FROM step_jobs WHERE conversation_id = ? AND step = ? AND claim = ?
ON CONFLICT (conversation_id, step) DO UPDATE SET
    version = excluded.version, result = excluded.result, finished_unix_secs = excluded.finished_unix_secs
"""
_END_JOB = "DELETE FROM step_jobs WHERE conversation_id = ? AND step = ? AND claim = ?"
_FAIL_JOB = """
UPDATE step_jobs SET attempts = attempts + 1, error = ?, due_unix_secs = ?, claim = NULL
WHERE conversation_id = ? AND step = ? AND claim = ?
"""
_CLAIM = """
UPDATE step_jobs SET attempts = attempts + CASE WHEN claim IS NULL THEN 0 ELSE 1 END, claim = ?, due_unix_secs = ?
WHERE step = ?
"""
_END_LOST = """
UPDATE step_jobs SET due_unix_secs = NULL, claim = NULL, error = ? WHERE conversation_id = ? AND step = ?
"""
_SET_DUE = "UPDATE step_jobs SET due_unix_secs = ?, claim = ? WHERE conversation_id = ? AND step = ? AND claim = ?"

_COUNTS = """
SELECT name, version, selects, queued_to IS NOT NULL,
    (SELECT count(*) FROM step_results WHERE step = name AND step_results.version = steps.version),
    (SELECT count(*) FROM step_results WHERE step = name AND step_results.version < steps.version),
    (SELECT count(*) FROM step_jobs WHERE step = name AND due_unix_secs <= :now),
    (SELECT count(*) FROM step_jobs WHERE step = name AND due_unix_secs > :now AND claim IS NOT NULL),
    (SELECT count(*) FROM step_jobs WHERE step = name AND due_unix_secs > :now AND claim IS NULL),
    (SELECT count(*) FROM step_jobs WHERE step = name AND due_unix_secs IS NULL),
    (SELECT min(due_unix_secs) FROM step_jobs WHERE step = name AND due_unix_secs > :now AND claim IS NULL)
FROM steps ORDER BY name
"""


def has_steps(connection: Connection) -> bool:
    """Return whether any step was run on the archive."""
    return connection.execute("SELECT 1 FROM steps LIMIT 1").fetchone() is not None


def queue_conversations(connection: Connection, ids: Collection[str], changed: Collection[str], now: int) -> None:
    """Queue conversations that were stored for all steps.

    Args:
        connection: The connection.
        ids: The conversations.
        changed: Those of them whose document is new: their results are deleted.
        now: The current time in Unix seconds.
    """
    for table in ("step_results", "step_jobs"):
        connection.execute(f"DELETE FROM {table} WHERE {BY_ID}", (encode_list(changed),))  # noqa: S608
    connection.execute(_QUEUE_ALL, (now, encode_list(ids)))


def register_step(connection: Connection, step: StepSettings, now: int) -> None:
    """Store a step: conversations are queued for it from now on. Jobs of an older version become jobs of this one.

    Raises:
        ArchiveError: A higher version of it was run.
    """
    stored = connection.execute("SELECT version, selects FROM steps WHERE name = ?", (step.name,)).fetchone()
    if stored is not None and stored[0] > step.version:
        raise build_outdated_error(step, stored[0])
    if stored != (step.version, step.selects):
        connection.execute(_REGISTER, (step.name, step.version, step.selects))
        connection.execute(_RENEW_OLDER, (step.version, now, step.name, step.version))


def build_outdated_error(step: StepSettings, version: int) -> ArchiveError:
    """Return the error for a step of which a higher version was run."""
    return ArchiveError(
        f"version {version} of the step {step.name!r} was run on this archive, and this is version {step.version}:"
        f" run the newer code, or give this one a version above {version}"
    )


def queue_stored(connection: Connection, step: str, now: int, count: int) -> int:
    """Queue the next conversations that were stored before a step was registered, and return how many were looked at.

    Args:
        connection: The connection.
        step: The step's name.
        now: The current time in Unix seconds.
        count: How many to look at.
    """
    ((queued_to,),) = connection.execute("SELECT queued_to FROM steps WHERE name = ?", (step,)).fetchall()
    if queued_to is None:
        return 0
    rows = connection.execute(
        "SELECT conversation_id FROM conversations WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?",
        (queued_to, count),
    )
    ids = [conversation_id for (conversation_id,) in rows]
    connection.execute(_QUEUE_ONE, (now, encode_list(ids), step))
    connection.execute("UPDATE steps SET queued_to = ? WHERE name = ?", (ids[-1] if ids else None, step))
    return len(ids)


def claim_jobs(  # noqa: PLR0913 - keyword-only
    connection: Connection,
    step: StepSettings,
    *,
    now: int,
    until: int,
    count: int,
    ids: Collection[str] | None = None,
) -> list[StepJob]:
    """Claim jobs that are due, oldest first.

    Jobs whose time is over count as failed. Those that can still be tried again come in smaller batches the more often
    that happened, until the conversation that ends the process is alone.

    Args:
        connection: The connection.
        step: The step.
        now: The current time in Unix seconds.
        until: When others can take the jobs over, in Unix seconds.
        count: How many at most.
        ids: Only jobs of these conversations; None means any.

    Raises:
        ArchiveError: Another version of the step is registered.
    """
    ((version,),) = connection.execute("SELECT version FROM steps WHERE name = ?", (step.name,)).fetchall()
    if version != step.version:
        raise build_outdated_error(step, version)
    which, parameters = ("", []) if ids is None else (f" AND {BY_ID}", [encode_list(ids)])
    rows = connection.execute(
        "SELECT conversation_id, attempts, claim IS NOT NULL FROM step_jobs"  # noqa: S608
        f" WHERE step = ? AND due_unix_secs <= ?{which} ORDER BY due_unix_secs LIMIT ?",
        [step.name, now, *parameters, count],
    ).fetchall()
    claim = secrets.token_hex(8)
    jobs = [StepJob(each, attempts + lost, bool(lost), claim) for each, attempts, lost in _select_batch(rows, count)]
    connection.execute(
        f"{_CLAIM} AND {BY_ID}", (claim, until, step.name, encode_list([job.conversation_id for job in jobs]))
    )
    dead = [(_LOST, job.conversation_id, step.name) for job in jobs if job.attempts >= step.max_attempts]
    connection.executemany(_END_LOST, dead)
    return [job for job in jobs if job.attempts < step.max_attempts]


def _select_batch(rows: list[tuple[str, int, bool]], count: int) -> list[tuple[str, int, bool]]:
    """Return the jobs that run together: either those whose process ended, or those whose process did not."""
    if not rows:
        return []
    _, attempts, first_is_lost = rows[0]
    most = max(1, count // _LOST_SHRINK ** (attempts + 1)) if first_is_lost else count
    return [row for row in rows if row[2] == first_is_lost][:most]


def read_documents(connection: Connection, ids: Collection[str]) -> dict[str, Any]:
    """Return the column of the documents of conversations by id; those that are not stored any more are left out."""
    rows = connection.execute(f"SELECT conversation_id, raw FROM conversations WHERE {BY_ID}", (encode_list(ids),))  # noqa: S608
    return dict(rows.fetchall())


def renew_jobs(connection: Connection, step: str, jobs: Collection[StepJob], until: int) -> None:
    """Keep jobs claimed until a later time."""
    connection.executemany(_SET_DUE, [(until, job.claim, job.conversation_id, step, job.claim) for job in jobs])


def release_jobs(connection: Connection, step: str, jobs: Collection[StepJob], now: int) -> None:
    """Let others claim jobs that this process has not run."""
    connection.executemany(_SET_DUE, [(now, None, job.conversation_id, step, job.claim) for job in jobs])


def finish_jobs(connection: Connection, step: str, outcomes: Sequence[StepOutcome], now: int) -> tuple[int, int]:
    """Store results and errors, and end the jobs.

    Returns:
        How many results and how many errors were stored; the others belong to jobs that are not claimed any more.
    """
    results = [
        (each.result, now, each.job.conversation_id, step, each.job.claim) for each in outcomes if each.error is None
    ]
    errors = [
        (
            *(each.error, None if each.retry_secs is None else now + each.retry_secs),
            *(each.job.conversation_id, step, each.job.claim),
        )
        for each in outcomes
        if each.error is not None
    ]
    connection.executemany(_STORE_RESULT, results)
    done = connection.executemany(_END_JOB, [key for _, _, *key in results]).rowcount
    failed = connection.executemany(_FAIL_JOB, errors).rowcount
    return max(done, 0), max(failed, 0)


def retry_jobs(connection: Connection, steps: Collection[str] | None, now: int) -> int:
    """Let jobs that failed run now, also those that are dead, and return how many there were.

    Args:
        connection: The connection.
        steps: The names of their steps; None means all.
        now: The current time in Unix seconds.

    Raises:
        InvalidArgumentError: A step with one of the names was never run.
    """
    known = [name for (name,) in connection.execute("SELECT name FROM steps ORDER BY name")]
    for name in steps or ():
        if name not in known:
            raise InvalidArgumentError(
                "steps",
                f"no step {name!r} was run on this archive; steps that were run: {', '.join(known) or 'none'}",
            )
    which, parameters = (
        ("", []) if steps is None else (" AND step IN (SELECT value FROM json_each(?))", [encode_list(steps)])
    )
    return connection.execute(
        "UPDATE step_jobs SET attempts = 0, due_unix_secs = ?, error = NULL"  # noqa: S608
        f" WHERE error IS NOT NULL AND claim IS NULL{which}",
        [now, *parameters],
    ).rowcount


def read_step_status(connection: Connection, now: int) -> list[StepStatus]:
    """Return the state of each step."""
    return [
        to_struct(StepStatus, (*row[:3], bool(row[3]), *row[4:])) for row in connection.execute(_COUNTS, {"now": now})
    ]


def read_step_failures(connection: Connection, limit: int) -> list[StepFailure]:
    """Return conversations that steps failed to process, dead ones first."""
    rows = connection.execute(
        "SELECT step, conversation_id, attempts, error, due_unix_secs FROM step_jobs"
        " WHERE error IS NOT NULL AND claim IS NULL"
        " ORDER BY due_unix_secs IS NOT NULL, step, due_unix_secs, conversation_id LIMIT ?",
        (limit,),
    )
    return [to_struct(StepFailure, row) for row in rows]
