"""The rows that the archive keeps of a conversation, read as `_columns` says."""

from __future__ import annotations

from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from convai_async.archive._columns import CONVERSATIONS, TOOL_CALLS, TURNS
from convai_async.archive._turn_tables import NoResult, ToolUse
from convai_async.models import Conversation, ConversationSummary, UnknownToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from convai_async.archive._table import Column, Table

Row: TypeAlias = dict[str, Any]
"""A row of ``conversations``: values by column."""

DetailRow: TypeAlias = tuple[Any, ...]
"""A row of ``turns`` or ``tool_calls``: the values of `get_inserted_columns`."""


def get_inserted_columns(table: Table) -> tuple[str, ...]:
    """Return the names of the columns of ``turns`` or ``tool_calls``, in the order of their rows' values."""
    attributes, functions = _split(table)
    return ("conversation_id", "position", *(column.name for column in (*attributes, *functions)))


def read_conversation(summary: ConversationSummary, conversation: Conversation | None) -> Row:
    """Return a row of ``conversations``, as far as it comes from the service.

    Args:
        summary: The conversation's entry in the list.
        conversation: The conversation; None if it could not be decoded.
    """
    values: Iterable[Any] = repeat(None)
    if conversation is not None:
        values = (*_read_document(conversation), *[read(conversation) for read in _DOCUMENT_FUNCTIONS])
    row: Row = dict(zip(_DOCUMENT_COLUMNS, values, strict=False))
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
    return _build_rows(conversation_id, turns, _read_turn, _TURN_FUNCTIONS)


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
    return _build_rows(conversation_id, uses, _read_tool_use, _TOOL_FUNCTIONS) if uses else []


def _build_rows(
    conversation_id: str, items: Sequence[Any], read: Callable[[Any], Any], functions: Sequence[Callable[[Any], Any]]
) -> list[DetailRow]:
    # Column by column: a loop over the functions for each row would take three times as long.
    computed = zip(*[map(function, items) for function in functions], strict=True)
    pairs = zip(map(read, items), computed, strict=True)
    return [(conversation_id, position, *values, *more) for position, (values, more) in enumerate(pairs)]


def _reader(read: str | Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if read is None:
        return lambda _: None
    return attrgetter(read) if isinstance(read, str) else read


def _split(table: Table) -> tuple[list[Column], list[Column]]:
    """Return the columns that are attributes, and those that a function reads."""
    columns = [column for column in table.columns if column.read is not None and column.read_summary is None]
    return [each for each in columns if isinstance(each.read, str)], [each for each in columns if callable(each.read)]


def _build_attribute_reader(table: Table) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(str(column.read) for column in _split(table)[0]))


def _find_functions(table: Table) -> list[Callable[[Any], Any]]:
    return [_reader(column.read) for column in _split(table)[1]]


_DOCUMENT_COLUMNS = [column.name for columns in _split(CONVERSATIONS) for column in columns]
_CONVERSATION_READERS = [
    (column.name, _reader(column.read), _reader(column.read_summary), column.prefer_summary)
    for column in CONVERSATIONS.columns
    if column.read_summary is not None
]
_read_document = _build_attribute_reader(CONVERSATIONS)
_read_turn = _build_attribute_reader(TURNS)
_read_tool_use = _build_attribute_reader(TOOL_CALLS)
_DOCUMENT_FUNCTIONS = _find_functions(CONVERSATIONS)
_TURN_FUNCTIONS = _find_functions(TURNS)
_TOOL_FUNCTIONS = _find_functions(TOOL_CALLS)
_NO_RESULT = NoResult()
