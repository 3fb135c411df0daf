"""The rows that the archive keeps of a conversation, read as `_columns` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from convai_async.archive._columns import CONVERSATIONS, TOOL_CALLS, TURNS, Column, Table, ToolUse
from convai_async.models import Conversation, ConversationSummary, UnknownToolResult

if TYPE_CHECKING:
    from collections.abc import Callable

Row: TypeAlias = dict[str, Any]
"""A row of ``conversations``: values by column."""

DetailRow: TypeAlias = tuple[Any, ...]
"""A row of a detail table: the values of `inserted_columns`."""


def inserted_columns(table: Table) -> tuple[str, ...]:
    """Return the names of a detail table's columns, in the order of its rows' values."""
    return ("conversation_id", "position", *(column.name for column in table.columns if column.read is not None))


def read_conversation(summary: ConversationSummary, conversation: Conversation | None) -> Row:
    """Return a row of ``conversations``, as far as it comes from the service.

    Args:
        summary: The conversation's entry in the list.
        conversation: The conversation; None if it could not be decoded.
    """
    return {
        column.name: _read(column, summary, conversation)
        for column in CONVERSATIONS.columns
        if column.read is not None or column.read_summary is not None
    }


def _read(column: Column, summary: ConversationSummary, conversation: Conversation | None) -> Any:
    listed = None if column.read_summary is None else column.read_summary(summary)
    if conversation is None or column.read is None or (column.prefer_summary and listed is not None):
        return listed
    value = column.read(conversation)
    return listed if value is None else value


def read_turns(conversation_id: str, conversation: Conversation) -> list[DetailRow]:
    """Return a conversation's rows of ``turns``."""
    return _rows(_TURN_READERS, conversation_id, conversation.transcript)


def read_tool_calls(conversation_id: str, conversation: Conversation) -> list[DetailRow]:
    """Return a conversation's rows of ``tool_calls``: each call with its result, which can be in a later turn."""
    results = {
        result.request_id: result
        for turn in conversation.transcript
        for result in turn.tool_results
        if not isinstance(result, UnknownToolResult)
    }
    uses = [
        ToolUse(position, call, results.get(call.request_id))
        for position, turn in enumerate(conversation.transcript)
        for call in turn.tool_calls
    ]
    return _rows(_TOOL_USE_READERS, conversation_id, uses)


def _readers(table: Table) -> list[Callable[[Any], Any]]:
    return [column.read for column in table.columns if column.read is not None]


_TURN_READERS = _readers(TURNS)
_TOOL_USE_READERS = _readers(TOOL_CALLS)


def _rows(readers: list[Callable[[Any], Any]], conversation_id: str, items: Any) -> list[DetailRow]:
    return [(conversation_id, position, *[read(item) for read in readers]) for position, item in enumerate(items)]
