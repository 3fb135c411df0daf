"""The harvests of all workers, in the table ``convai.harvests``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from convai_async.workers._worker_name import get_worker_name

if TYPE_CHECKING:
    from convai_async.harvest import HarvestReport
    from convai_async.workers._database import Connection

Outcome = Literal["complete", "incomplete", "stopped", "failed"]
"""How a harvest ended: "incomplete" if some conversations could not be fetched, "stopped" if its worker was stopped."""


async def start_run(connection: Connection, workspace: str) -> int:
    """Store that a harvest begins, and return its id."""
    cursor = await connection.execute(
        "INSERT INTO convai.harvests (workspace, worker) VALUES (%s, %s) RETURNING id", (workspace, get_worker_name())
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the statement returns a row
    return int(row[0])


async def end_run(
    connection: Connection, run: int, outcome: Outcome, report: HarvestReport, error: Exception | None
) -> None:
    """Store the outcome of a harvest; mark earlier ones of the workspace that have none as lost with their worker."""
    await connection.execute(
        "UPDATE convai.harvests SET ended_at = now(), outcome = %s, found = %s, fetched = %s, failed = %s,"
        " recordings = %s, error = %s WHERE id = %s",
        (
            outcome,
            report.found,
            report.fetched,
            report.failed,
            report.recordings,
            None if error is None else str(error),
            run,
        ),
    )
    await connection.execute(
        "UPDATE convai.harvests AS earlier SET ended_at = now(), outcome = 'lost' FROM convai.harvests AS run"
        " WHERE run.id = %s AND earlier.workspace = run.workspace AND earlier.id < run.id AND earlier.ended_at IS NULL",
        (run,),
    )


async def delete_run(connection: Connection, run: int) -> None:
    """Delete a harvest that did not begin, because another process is writing to the archive."""
    await connection.execute("DELETE FROM convai.harvests WHERE id = %s", (run,))


async def delete_old_runs(connection: Connection) -> None:
    """Delete the harvests of more than 90 days ago, except the last complete one of each workspace."""
    await connection.execute(
        "DELETE FROM convai.harvests AS old WHERE started_at < now() - interval '90 days' AND EXISTS (SELECT"
        " FROM convai.harvests AS later WHERE later.workspace = old.workspace AND later.id > old.id"
        " AND later.outcome = 'complete')"
    )
