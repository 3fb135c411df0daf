"""The harvests of all workers: the table ``convai.harvests``."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from convai_async.harvest import HarvestReport
    from convai_async.workers._database import Connection

Outcome = Literal["complete", "incomplete", "stopped", "failed", "taken over", "lost"]
"""How a harvest ended: "stopped" because its worker was stopped, "taken over" and "lost" because another worker had
to continue it."""


def get_worker_name() -> str:
    """Return the name of this process: its machine and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def start_run(connection: Connection, workspace: str) -> int:
    """Note that a harvest begins, and that earlier ones whose worker is gone have ended; return its id."""
    await connection.execute(
        "UPDATE convai.harvests SET ended_at = now(), outcome = 'lost' WHERE workspace = %s AND ended_at IS NULL",
        (workspace,),
    )
    cursor = await connection.execute(
        "INSERT INTO convai.harvests (workspace, worker) VALUES (%s, %s) RETURNING id", (workspace, get_worker_name())
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the statement returns a row
    return int(row[0])


async def end_run(
    connection: Connection, run: int, outcome: Outcome, report: HarvestReport, error: Exception | None
) -> None:
    """Note how a harvest ended, unless another worker has continued it in the meantime."""
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
