"""The conversations of an agent that started in a range of time, as a condition in SQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from convai_async._support.timestamps import compute_latest_start
from convai_async.archive._windows import BEGINNING, parse_start_bound
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from datetime import date

CREDIBLE_START = f"(start_time_unix_secs BETWEEN {BEGINNING} AND ?)"
"""`credible_start_or_none` in SQL; its parameter is the latest start that is credible."""


class Filters(TypedDict, total=False):
    """The filters of an `Archive`.

    Attributes:
        agent_id: Only conversations with this agent.
        since: Only conversations that started at this time or later.
        until: Only conversations that started before this time.
    """

    agent_id: str | None
    since: date | int | None
    until: date | int | None


class Condition(NamedTuple):
    """A condition on ``conversations``.

    Attributes:
        sql: The condition.
        parameters: The values of its placeholders.
    """

    sql: str
    parameters: list[Any]


def build_condition(agent_id: str | None, start: int | None, end: int | None, *, latest: int) -> Condition:
    """Return the condition for the conversations of an agent that started in a range of time.

    A conversation without a credible start (none, before 1970, or in the future) is in every range, so that no range
    leaves it out forever.

    Args:
        agent_id: The agent; None means any.
        start: The first second of the range, in Unix seconds; None means no bound.
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
    return Condition(" AND ".join(conditions) or "true", parameters)


def parse_filters(
    agent_id: str | None = None, since: date | int | None = None, until: date | int | None = None
) -> Condition:
    """Return the condition that the filters of an `Archive` stand for.

    Raises:
        InvalidArgumentError: A filter is not valid.
    """
    if agent_id is not None:
        validate_sql_text("agent_id", agent_id)
    start, end = parse_start_bound("since", since), parse_start_bound("until", until)
    return build_condition(agent_id, start, end, latest=compute_latest_start(time.time()))


def validate_sql_text(parameter: str, text: str) -> None:
    """Check that SQLite can store and search a text.

    Raises:
        InvalidArgumentError: It holds half of a surrogate pair, or a NUL, at which SQLite's search would end.
    """
    if "\0" in text or (not text.isascii() and text.encode(errors="ignore").decode() != text):
        raise InvalidArgumentError(parameter, f"{text!r} has characters that are not valid in text")
