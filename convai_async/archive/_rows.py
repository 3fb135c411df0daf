"""The rows that the archive keeps of a conversation, read as `_columns` says."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from convai_async.archive._columns import CONVERSATIONS, TOOL_CALLS, TURNS, NoResult, Table, ToolUse
from convai_async.models import Conversation, ConversationSummary, UnknownToolResult

if TYPE_CHECKING:
    from collections.abc import Callable

Row: TypeAlias = dict[str, Any]
"""A row of ``conversations``: values by column."""

DetailRow: TypeAlias = tuple[Any, ...]
"""A row of a detail table: the values of `get_inserted_columns`."""


def get_inserted_columns(table: Table) -> tuple[str, ...]:
    """Return the names of a detail table's columns, in the order of its rows' values."""
    return ("conversation_id", "position", *(column.name for column in table.columns if column.read is not None))


def read_conversation(summary: ConversationSummary, conversation: Conversation | None) -> Row:
    """Return a row of ``conversations``, as far as it comes from the service.

    Args:
        summary: The conversation's entry in the list.
        conversation: The conversation; None if it could not be decoded.
    """
    row: Row = {}
    for name, read, read_summary, prefer_summary in _CONVERSATION_READERS:
        value = read_summary(summary)
        if conversation is not None and not (prefer_summary and value is not None):
            found = read(conversation)
            value = value if found is None else found
        row[name] = value
    return row


def read_turns(conversation_id: str, conversation: Conversation) -> list[DetailRow]:
    """Return a conversation's rows of ``turns``."""
    turns = conversation.transcript
    return [(conversation_id, position, *values) for position, values in enumerate(map(_read_turn, turns))]


def read_tool_calls(conversation_id: str, conversation: Conversation) -> list[DetailRow]:
    """Return a conversation's rows of ``tool_calls``: each call with its result, which can be in a later turn."""
    results = {
        result.request_id: result
        for turn in conversation.transcript
        for result in turn.tool_results
        if not isinstance(result, UnknownToolResult)
    }
    uses = [
        ToolUse(position, call, results.get(call.request_id, _NO_RESULT))
        for position, turn in enumerate(conversation.transcript)
        for call in turn.tool_calls
    ]
    return [(conversation_id, position, *values) for position, values in enumerate(map(_read_tool_use, uses))]


def _reader(read: str | Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if read is None:
        return lambda _: None
    return attrgetter(read) if isinstance(read, str) else read


def _detail_reader(table: Table) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(column.read for column in table.columns if isinstance(column.read, str)))


_CONVERSATION_READERS = [
    (column.name, _reader(column.read), _reader(column.read_summary), column.prefer_summary)
    for column in CONVERSATIONS.columns
    if column.read is not None or column.read_summary is not None
]
_read_turn = _detail_reader(TURNS)
_read_tool_use = _detail_reader(TOOL_CALLS)
_NO_RESULT = NoResult()
