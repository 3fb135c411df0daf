"""The tables ``turns`` and ``tool_calls``, and the search index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.archive._schema._json_text import encode_value
from convai_async.archive._schema._table import CONVERSATION_ID, Column, Table
from convai_async.models import (
    IntegrationWebhookCallDetails,
    SystemToolResult,
    ToolCall,
    UnknownCallDetails,
    UnknownVariant,
    WebhookCallDetails,
)

if TYPE_CHECKING:
    from convai_async.models import TranscriptTurn


class NoResult(msgspec.Struct, frozen=True):
    """Stands for the result of a tool call that has none.

    Attributes:
        result_value: None.
        is_error: None.
        tool_latency_secs: None.
    """

    result_value: None = None
    is_error: None = None
    tool_latency_secs: None = None


class ToolUse(msgspec.Struct, frozen=True, gc=False):
    """A tool call with its result.

    Attributes:
        turn_position: The turn of the call, from 0.
        call: The call.
        result: Its result.
    """

    turn_position: int
    call: ToolCall
    result: Any


def _read_interrupted(turn: TranscriptTurn) -> int:
    return 1 if turn.interrupted else 0  # sqlite3 needs six times as long for a bool


def _read_turn_agent(turn: TranscriptTurn) -> Any:
    return None if turn.agent_metadata is None else turn.agent_metadata.agent_id


def _read_feedback(turn: TranscriptTurn) -> Any:
    return None if turn.feedback is None else turn.feedback.score


def _read_tool_details(use: ToolUse) -> str | None:
    details = use.call.tool_details
    if details is None or isinstance(details, UnknownCallDetails):
        return None
    if isinstance(details, WebhookCallDetails):
        details = _remove_headers(details)
    elif isinstance(details, IntegrationWebhookCallDetails):
        details = msgspec.structs.replace(details, webhook_details=_remove_headers(details.webhook_details))
    return encode_value(details)


def _remove_headers(details: WebhookCallDetails) -> WebhookCallDetails:
    return msgspec.structs.replace(details, headers={}) if details.headers else details


def _read_result_type(use: ToolUse) -> str | None:
    result = use.result
    if not isinstance(result, SystemToolResult) or result.result is None:
        return None
    return result.result.tag if isinstance(result.result, UnknownVariant) else result.result.result_type


def _read_transfer_target(use: ToolUse) -> str | None:
    if not isinstance(use.result, SystemToolResult):
        return None
    result = use.result.result
    target = getattr(result, "to_agent", None)
    return getattr(result, "transfer_number", None) if target is None else target


TURNS = Table(
    "turns",
    "One row for each turn of a transcript.",
    (
        Column("turn_id", "INTEGER PRIMARY KEY", "The rowid in turns_search."),
        CONVERSATION_ID,
        Column("position", "INTEGER NOT NULL", "The turn's position in the transcript, from 0.", "int64"),
        Column("role", "TEXT", "'user' or 'agent'.", "string", "role"),
        Column("message", "TEXT", "The message.", "string", "message"),
        Column(
            "time_in_call_secs",
            "INTEGER",
            "Seconds since the conversation started.",
            "int64",
            "time_in_call_secs",
        ),
        Column("interrupted", "INTEGER NOT NULL", "1 if the user interrupted it.", "bool", _read_interrupted),
        Column("llm", "TEXT", "The language model, if it was overridden.", "string", "llm_override"),
        Column("producing_llm", "TEXT", "The model that wrote the message.", "string", "producing_llm", since=5),
        Column("source_medium", "TEXT", "'audio' or 'text': how the user said it.", "string", "source_medium", since=5),
        Column(
            "original_message",
            "TEXT",
            "The agent's whole message, where the user interrupted it.",
            "string",
            "original_message",
            since=5,
        ),
        Column("turn_agent_id", "TEXT", "The agent that spoke.", "string", _read_turn_agent, since=5),
        Column(
            "feedback", "TEXT", "The user's rating of the turn: 'like' or 'dislike'.", "string", _read_feedback, since=5
        ),
    ),
    constraints=("UNIQUE (conversation_id, position)",),
)

_TURN_ADDED = """\
CREATE TRIGGER turn_added AFTER INSERT ON turns BEGIN
    INSERT INTO turns_search (rowid, message) VALUES (new.turn_id, new.message);
END;"""

_TURN_REMOVED = """\
CREATE TRIGGER turn_removed AFTER DELETE ON turns BEGIN
    INSERT INTO turns_search (turns_search, rowid, message) VALUES ('delete', old.turn_id, old.message);
END;"""

TURNS_SEARCH = Table(
    "turns_search",
    "The full-text index (FTS5) of the messages in turns; triggers keep it up to date.",
    (Column("message", "", "The message; MATCH searches it. The rowid is turns.turn_id."),),
    # Without spaces and in these quotes, since Datasette and sqlite-utils look for this text.
    module=("fts5 (message, content=\"turns\", content_rowid='turn_id', tokenize='unicode61 remove_diacritics 2')"),
    statements=(_TURN_ADDED, _TURN_REMOVED),
)

TOOL_CALLS = Table(
    "tool_calls",
    "One row for each tool call, with its result.",
    (
        CONVERSATION_ID,
        Column("position", "INTEGER NOT NULL", "The call's position in the conversation, from 0.", "int64"),
        Column("turn_position", "INTEGER NOT NULL", "The position of its turn.", "int64", "turn_position"),
        Column("request_id", "TEXT", "The id that the call and its result share.", "string", "call.request_id"),
        Column("tool_name", "TEXT", "The tool's name.", "string", "call.tool_name"),
        Column("type", "TEXT", "The tool's type, such as 'webhook' or 'client'.", "string", "call.type"),
        Column("params_as_json", "TEXT", "The parameters, JSON.", "string", "call.params_as_json"),
        Column("result_value", "TEXT", "The result; null if there is none.", "string", "result.result_value"),
        Column("is_error", "INTEGER", "1 if the tool reported an error.", "bool", "result.is_error"),
        Column(
            "tool_latency_secs", "REAL", "The latency of the tool in seconds.", "float64", "result.tool_latency_secs"
        ),
        Column(
            "tool_details",
            "TEXT",
            "The request of the tool, JSON, without its HTTP headers, which can hold credentials.",
            "string",
            _read_tool_details,
            since=5,
        ),
        Column(
            "result_type",
            "TEXT",
            "The kind of a system tool's result, such as 'transfer_to_agent_success'.",
            "string",
            _read_result_type,
            since=5,
        ),
        Column(
            "transfer_target",
            "TEXT",
            "The agent or the phone number that the call was transferred to.",
            "string",
            _read_transfer_target,
            since=5,
        ),
    ),
    constraints=("PRIMARY KEY (conversation_id, position)",),
    statements=("CREATE INDEX tool_calls_by_name ON tool_calls (tool_name);",),
)
