"""The SQL conditions for the conversations of an agent that started in a range of time."""

from __future__ import annotations

from typing import Any

from convai_async.archive._windows import BEGINNING

CREDIBLE_START = f"(start_time_unix_secs BETWEEN {BEGINNING} AND ?)"
"""`credible_start` in SQL; its parameter is the latest start that is credible."""


def build_condition(agent_id: str | None, start: int | None, end: int | None, *, latest: int) -> tuple[str, list[Any]]:
    """Return a condition on ``conversations``, and its parameters.

    A conversation without a credible start (none, before 1970, or in the future) is in every range: no filter loses
    it.

    Args:
        agent_id: The agent; None means any.
        start: The first second of the range, in unix seconds; None means no bound.
        end: The second after its last; None means no bound.
        latest: The latest start that is credible.
    """
    conditions: list[str] = []
    parameters: list[Any] = []
    bounds = {"start_time_unix_secs >= ?": start, "start_time_unix_secs < ?": end}
    bounds = {bound: moment for bound, moment in bounds.items() if moment is not None}
    if bounds:
        # Not "NOT BETWEEN", which could not use the index.
        conditions.append(
            f"({' AND '.join(bounds)} OR start_time_unix_secs IS NULL"
            f" OR start_time_unix_secs < {BEGINNING} OR start_time_unix_secs > ?)"
        )
        parameters += [*bounds.values(), latest]
    if agent_id is not None:
        conditions.append("agent_id = ?")
        parameters.append(agent_id)
    return " AND ".join(conditions) or "true", parameters
