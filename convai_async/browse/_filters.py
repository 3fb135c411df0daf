"""The filters of the list, in a URL and in SQL."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

_Text = Annotated[str, msgspec.Meta(max_length=1000)]

HAS = {
    "recording": (
        "a recording",
        "(SELECT 1 FROM audio WHERE audio.conversation_id = conversations.conversation_id LIMIT 1) = 1",
    ),
    "comment": ("a comment", "comment IS NOT NULL"),
    "error": ("an error", "(error_code IS NOT NULL OR error_reason IS NOT NULL)"),
    "failed_tool": (
        "a failed tool call",
        (
            "(SELECT 1 FROM tool_calls"
            " WHERE tool_calls.conversation_id = conversations.conversation_id AND is_error LIMIT 1) = 1"
        ),
    ),
}
"""What a conversation can have, by its name in a URL: the label, and the condition.

Not EXISTS: PostgreSQL would read the whole table for the first row of the list.
"""

Result = Literal["success", "failure", "unknown"]
Status = Literal["done", "failed", "in-progress", "processing", "initiated"]


class Filters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The conversations to list. An empty value means any.

    Attributes:
        q: Words of a turn.
        agent: The agent's id.
        first_day: The first day, in local time.
        last_day: The last day.
        result: The result of the success evaluation.
        status: The status.
        language: The main language.
        max_rating: The highest rating.
        tool: The name of a tool that was called.
        has: A key of `HAS`.
    """

    q: _Text = ""
    agent: _Text = ""
    first_day: date | None = None
    last_day: date | None = None
    result: Result | Literal[""] = ""
    status: Status | Literal[""] = ""
    language: _Text = ""
    max_rating: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    tool: _Text = ""
    has: Literal["", "recording", "comment", "error", "failed_tool"] = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Filters:
        """Read the filters from the parameters of a URL; others, and empty ones, are ignored.

        Raises:
            InvalidArgumentError: A value is not valid.
        """
        for name in cls.__struct_fields__:
            if "\0" in query.get(name, ""):
                raise InvalidArgumentError(name, "contains a NUL character")
        try:
            return msgspec.convert({name: text for name, text in query.items() if text}, cls, strict=False)
        except msgspec.ValidationError as error:
            name = str(error).rpartition("$.")[2].rstrip("`") or "filters"
            raise InvalidArgumentError(name, str(error).partition(" - at")[0].lower()) from None

    def to_query(self) -> dict[str, str]:
        """Return the parameters of a URL."""
        return {name: str(value) for name, value in msgspec.to_builtins(self).items()}


class Condition(NamedTuple):
    """A condition in SQL.

    Attributes:
        sql: The condition.
        parameters: The values of its placeholders.
    """

    sql: str
    parameters: list[Any]

    def and_(self, sql: str, *parameters: Any) -> Condition:
        """Return this condition combined with another."""
        return Condition(f"{self.sql} AND {sql}", [*self.parameters, *parameters])


def build_range(filters: Filters) -> Condition:
    """Return the condition whose conversations an index finds: agent and days."""
    return _combine(
        {
            "agent_id = ?": filters.agent,
            "start_time_unix_secs >= ?": _find_midnight("first_day", filters.first_day),
            "start_time_unix_secs < ?": _find_midnight("last_day", filters.last_day, days=1),
        }
    )


def build_match(filters: Filters) -> Condition:
    """Return the other conditions, except for those on turns and tool calls."""
    condition = _combine(
        {
            "call_successful = ?": filters.result,
            "status = ?": filters.status,
            "main_language = ?": filters.language,
            "rating <= ?": filters.max_rating,
        }
    )
    return condition.and_(HAS[filters.has][1]) if filters.has else condition


def _combine(values: dict[str, Any]) -> Condition:
    given = {sql: value for sql, value in values.items() if value not in {None, ""}}
    return Condition(" AND ".join(["true", *given]), list(given.values()))


def _find_midnight(parameter: str, day: date | None, *, days: int = 0) -> int | None:
    if day is None:
        return None
    try:
        return int(datetime.combine(day + timedelta(days=days), time()).astimezone().timestamp())
    except (OverflowError, ValueError, OSError):
        raise InvalidArgumentError(parameter, f"{day} is out of range") from None
