"""The values that the filters of the list offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from convai_async.archive._connection import Connection

T = TypeVar("T")

_MAX_CHOICES = 200
_NEWEST_CONVERSATIONS = 300
_TEXT_PAIRS, _TEXTS = list[tuple[str, str | None]], list[tuple[str]]


class Choices(msgspec.Struct, frozen=True):
    """The values that the filters of the list offer.

    Attributes:
        agents: The id and the name of each agent, at most 200.
        tools: The tools that were called, at most 200.
        languages: The main languages of the newest conversations.
    """

    agents: list[tuple[str, str | None]]
    tools: list[str]
    languages: list[str]


def read_choices(connection: Connection) -> Choices:
    """Return the values that the filters offer. It takes the same time in every archive."""
    agents = connection.execute(
        f"WITH RECURSIVE {_select_distinct('agent_id', 'conversations')}"  # noqa: S608
        " SELECT value, (SELECT agent_name FROM conversations WHERE agent_id = value"
        " ORDER BY start_time_unix_secs DESC NULLS LAST LIMIT 1) FROM found WHERE value IS NOT NULL LIMIT ?",
        (_MAX_CHOICES,),
    )
    tools = connection.execute(
        f"WITH RECURSIVE {_select_distinct('tool_name', 'tool_calls')}"  # noqa: S608
        " SELECT value FROM found WHERE value IS NOT NULL LIMIT ?",
        (_MAX_CHOICES,),
    )
    languages = connection.execute(
        "SELECT DISTINCT main_language FROM (SELECT main_language FROM conversations"
        " ORDER BY start_time_unix_secs DESC NULLS LAST LIMIT ?) AS newest WHERE main_language IS NOT NULL ORDER BY 1",
        (_NEWEST_CONVERSATIONS,),
    )
    return Choices(
        msgspec.convert(agents.fetchall(), _TEXT_PAIRS),
        [tool for (tool,) in msgspec.convert(tools.fetchall(), _TEXTS)],
        [language for (language,) in msgspec.convert(languages.fetchall(), _TEXTS)],
    )


def _select_distinct(column: str, table: str) -> str:
    """Return a recursive table ``found`` that takes each value from an index, without reading all rows."""
    return (
        f"found (value) AS (SELECT min({column}) FROM {table}"  # noqa: S608
        f" UNION ALL SELECT (SELECT min({column}) FROM {table} WHERE {column} > value) FROM found"
        " WHERE value IS NOT NULL)"
    )
