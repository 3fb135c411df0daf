"""The rows that the archive keeps of a conversation, read as the columns of `_tables` say."""

from __future__ import annotations

from itertools import chain, count, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from convai_async.archive._schema._tables import CONVERSATIONS, TOOL_CALLS, TURNS
from convai_async.archive._schema._turn_tables import NoResult, ToolUse
from convai_async.models import Conversation, ConversationSummary, UnknownToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from convai_async.archive._schema._table import Table

Row: TypeAlias = dict[str, Any]
"""A row of ``conversations``: values by column."""

DetailValues: TypeAlias = tuple[Any, ...]
"""The values of all rows of ``turns`` or ``tool_calls``, one after the other: a tuple for each row would be larger.

Not a list, which the garbage collector would go through each time.
"""


def get_inserted_columns(table: Table) -> tuple[str, ...]:
    """Return the names of the columns of ``turns`` or ``tool_calls``, in the order of their rows' values."""
    return ("conversation_id", "position", *(column.name for column in table.columns if column.read is not None))


def read_conversation(summary: ConversationSummary, conversation: Conversation | None) -> Row:
    """Return a row of ``conversations``, as far as it comes from the service.

    Args:
        summary: The conversation's entry in the list.
        conversation: The conversation; None if it could not be decoded.
    """
    if conversation is None:
        row: Row = dict.fromkeys(_DOCUMENT_COLUMNS)
    else:
        row = dict(zip(_DOCUMENT_COLUMNS, [read(conversation) for read in _DOCUMENT_READERS], strict=True))
    for name, read, read_summary, prefer_summary in _CONVERSATION_READERS:
        value = read_summary(summary)
        if conversation is not None and not (prefer_summary and value is not None):
            found = read(conversation)
            value = value if found is None else found
        row[name] = value
    return row


def read_turns(conversation_id: str, conversation: Conversation) -> DetailValues:
    """Return the values of a conversation's rows of ``turns``."""
    return _read_values(conversation_id, conversation.transcript, _TURN_READERS)


def read_tool_calls(conversation_id: str, conversation: Conversation) -> DetailValues:
    """Return the values of its rows of ``tool_calls``: each call with its result, which can be in a later turn."""
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
    return _read_values(conversation_id, uses, _TOOL_READERS) if uses else ()


def _read_values(conversation_id: str, items: Sequence[Any], readers: Sequence[Callable[[Any], Any]]) -> DetailValues:
    # Column by column: a loop over the readers for each row would take three times as long.
    columns = [map(read, items) for read in readers]
    return tuple(chain.from_iterable(zip(repeat(conversation_id), count(), *columns, strict=False)))


def _build_reader(read: str | Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if read is None:
        return lambda _: None
    return attrgetter(read) if isinstance(read, str) else read


def _build_readers(table: Table) -> list[Callable[[Any], Any]]:
    return [_build_reader(column.read) for column in table.columns if column.read is not None]


_FROM_DOCUMENT = [column for column in CONVERSATIONS.columns if column.read is not None and column.read_summary is None]
_DOCUMENT_COLUMNS = [column.name for column in _FROM_DOCUMENT]
_DOCUMENT_READERS = [_build_reader(column.read) for column in _FROM_DOCUMENT]
_CONVERSATION_READERS = [
    (column.name, _build_reader(column.read), _build_reader(column.read_summary), column.prefer_summary)
    for column in CONVERSATIONS.columns
    if column.read_summary is not None
]
_TURN_READERS = _build_readers(TURNS)
_TOOL_READERS = _build_readers(TOOL_CALLS)
_NO_RESULT = NoResult()
