"""The tables of an archive: the type, the source and the meaning of each column.

The SQL schema, the rows that are inserted, the exported files and the documentation are derived from `TABLES`.
A new column needs an entry here, and a migration in `_migrations` for existing archives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from convai_async.models import Conversation, ConversationSummary, ToolCall

ArrowType: TypeAlias = Literal["string", "int64", "float64", "bool", "timestamp"]
"""The names of the Arrow types that exported columns have; a timestamp is Unix seconds in SQLite."""


class Column(msgspec.Struct, frozen=True):
    """A column.

    Attributes:
        name: The name.
        sql_type: The type in SQLite, with constraints.
        description: The meaning, for people who query the archive.
        arrow: The type in exported files; None for columns that CSV and Parquet files do not have.
        read: The attribute of a conversation, a turn or a `ToolUse` that has the value, or a function that returns it;
            None if it does not come from there.
        read_summary: The same for the conversation's entry in the list.
        prefer_summary: Whether to use the entry in the list if both have a value.
    """

    name: str
    sql_type: str
    description: str
    arrow: ArrowType | None = None
    read: str | Callable[[Conversation], Any] | None = None
    read_summary: str | Callable[[ConversationSummary], Any] | None = None
    prefer_summary: bool = False


class Table(msgspec.Struct, frozen=True):
    """A table.

    Attributes:
        name: The name.
        description: The meaning of a row.
        columns: The columns, in order.
        constraints: Constraints on several columns, in SQL.
        module: For a virtual table, its module and arguments, in SQL.
        statements: Indexes and triggers, in SQL.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    constraints: tuple[str, ...] = ()
    module: str = ""
    statements: tuple[str, ...] = ()

    @property
    def exported(self) -> tuple[Column, ...]:
        """The columns that CSV and Parquet files have."""
        return tuple(column for column in self.columns if column.arrow is not None)


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


def _analysis(name: str) -> Callable[[Conversation], Any]:
    def read(conversation: Conversation) -> Any:
        return None if conversation.analysis is None else getattr(conversation.analysis, name)

    return read


def _count_messages(conversation: Conversation) -> int | None:
    said = sum(1 for turn in conversation.transcript if turn.message)
    counted = (conversation.user_message_count or 0) + (conversation.agent_message_count or 0)
    return said or counted or None  # a webhook can leave the transcript out


def _direction(conversation: Conversation) -> Any:
    metadata = conversation.metadata
    carriers = (metadata.phone_call, metadata.whatsapp, metadata.sms)
    return next((found for each in carriers if (found := getattr(each, "direction", None))), None)


ARCHIVE = Table(
    "archive",
    "One row about the archive itself.",
    (
        Column("source", "TEXT NOT NULL", "The service's address, or 'sandbox:<n>'."),
        Column("key_salt", "BLOB", "Random bytes, hashed together with the API key."),
        Column("key_fingerprint", "BLOB", "Slow hash (scrypt) of the API key; null until the workspace is known."),
        Column(
            "scrub_due",
            "INTEGER NOT NULL DEFAULT 0",
            "1 while the file may still contain text of removed conversations.",
        ),
    ),
)

CONVERSATIONS = Table(
    "conversations",
    "One row for each conversation.",
    (
        Column(
            "conversation_id",
            "TEXT PRIMARY KEY",
            "The conversation's id.",
            "string",
            read_summary="conversation_id",
        ),
        Column("agent_id", "TEXT", "The agent's id.", "string", "agent_id", "agent_id"),
        Column(
            "agent_name",
            "TEXT",
            "The agent's name.",
            "string",
            "agent_name",
            "agent_name",
            prefer_summary=True,
        ),
        Column("user_id", "TEXT", "The user's id, if the application set one.", "string", "user_id"),
        Column(
            "status",
            "TEXT",
            "The status; 'done' and 'failed' are final.",
            "string",
            "status",
            "status",
        ),
        Column(
            "start_time_unix_secs",
            "INTEGER",
            "The start time.",
            "timestamp",
            "metadata.start_time_unix_secs",
            "start_time_unix_secs",
        ),
        Column(
            "call_duration_secs",
            "INTEGER",
            "The duration in seconds.",
            "int64",
            "metadata.call_duration_secs",
            "call_duration_secs",
        ),
        Column(
            "message_count",
            "INTEGER",
            "The number of messages.",
            "int64",
            _count_messages,
            "message_count",
            prefer_summary=True,
        ),
        Column(
            "call_successful",
            "TEXT",
            "The result of the success evaluation: 'success', 'failure' or 'unknown'.",
            "string",
            _analysis("call_successful"),
            "call_successful",
        ),
        Column(
            "direction",
            "TEXT",
            "'inbound' or 'outbound', for phone calls and messages.",
            "string",
            _direction,
            "direction",
            prefer_summary=True,
        ),
        Column(
            "rating",
            "REAL",
            "The user's rating.",
            "float64",
            "metadata.feedback.rating",
            "rating",
            prefer_summary=True,
        ),
        Column("cost", "INTEGER", "The cost in credits.", "int64", "metadata.cost"),
        Column("main_language", "TEXT", "The main language.", "string", "metadata.main_language"),
        Column("termination_reason", "TEXT", "The reason why it ended.", "string", "metadata.termination_reason"),
        Column(
            "call_summary_title",
            "TEXT",
            "The generated title.",
            "string",
            _analysis("call_summary_title"),
            "call_summary_title",
        ),
        Column(
            "transcript_summary",
            "TEXT",
            "The generated summary.",
            "string",
            _analysis("transcript_summary"),
            "transcript_summary",
        ),
        Column(
            "has_audio",
            "INTEGER NOT NULL",
            "1 if the service has, or had, a recording.",
            "bool",
            "has_audio",
            lambda _: False,
        ),
        Column("fetched_unix_secs", "INTEGER NOT NULL", "The time at which it was fetched.", "timestamp"),
        Column("decode_error", "TEXT", "The error if raw could not be decoded into the columns; else null.", "string"),
        Column("raw", "BLOB NOT NULL", "The service's JSON, byte for byte."),
        Column(
            "summary_json",
            "BLOB",
            "Its entry in the list when it was fetched, JSON; null if it did not come from the list.",
        ),
        Column(
            "deleted_unix_secs",
            "INTEGER",
            "The time at which it was found to be deleted at the service; else null.",
            "timestamp",
        ),
        Column(
            "no_audio_unix_secs",
            "INTEGER",
            "The time at which the service was found to have no recording; else null.",
            "timestamp",
        ),
        Column("from_webhook", "INTEGER NOT NULL DEFAULT 0", "1 if raw came from a webhook.", "bool"),
    ),
    statements=(
        "CREATE INDEX conversations_by_start ON conversations (start_time_unix_secs);",
        "CREATE INDEX conversations_by_agent ON conversations (agent_id, start_time_unix_secs);",
    ),
)

_CONVERSATION_ID = Column(
    "conversation_id",
    "TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE",
    "The conversation that it belongs to.",
    "string",
)

TURNS = Table(
    "turns",
    "One row for each turn of a transcript.",
    (
        Column("turn_id", "INTEGER PRIMARY KEY", "The rowid in turns_search."),
        _CONVERSATION_ID,
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
        Column("interrupted", "INTEGER NOT NULL", "1 if the user interrupted it.", "bool", "interrupted"),
        Column("llm", "TEXT", "The language model, if it was overridden.", "string", "llm_override"),
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
    module=("fts5 (message, content = 'turns', content_rowid = 'turn_id', tokenize = 'unicode61 remove_diacritics 2')"),
    statements=(_TURN_ADDED, _TURN_REMOVED),
)

TOOL_CALLS = Table(
    "tool_calls",
    "One row for each tool call, with its result.",
    (
        _CONVERSATION_ID,
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
    ),
    constraints=("PRIMARY KEY (conversation_id, position)",),
    statements=("CREATE INDEX tool_calls_by_name ON tool_calls (tool_name);",),
)

AUDIO = Table(
    "audio",
    "One row for each recording that was saved.",
    (
        Column(
            "conversation_id",
            "TEXT PRIMARY KEY REFERENCES conversations ON DELETE CASCADE",
            "The conversation that was recorded.",
        ),
        Column("path", "TEXT NOT NULL", "The file, relative to the archive's folder."),
        Column("size", "INTEGER NOT NULL", "Its size in bytes."),
        Column("sha256", "TEXT NOT NULL", "Its SHA-256, in hexadecimal."),
        Column("content_type", "TEXT NOT NULL", "Its media type."),
    ),
)

FAILURES = Table(
    "failures",
    "One row for everything that could not be fetched or read; the next harvest tries it again.",
    (
        Column(
            "conversation_id",
            "TEXT NOT NULL",
            "The conversation; for a part of the list 'line:<hash>' or 'range:<start>-<end>'.",
        ),
        Column("part", "TEXT NOT NULL", "'conversation', 'audio', or 'list' for a part of the list."),
        Column("error", "TEXT NOT NULL", "The error."),
        Column("attempts", "INTEGER NOT NULL", "The number of requests that were sent, over all runs."),
        Column("failed_unix_secs", "INTEGER NOT NULL", "The time of the last failure."),
        Column("summary_json", "BLOB", "Its entry in the list, byte for byte; else null."),
    ),
    constraints=("PRIMARY KEY (conversation_id, part)",),
)

WINDOWS = Table(
    "windows",
    "One row for each range of time whose list was read; its conversations are in conversations or failures.",
    (
        Column("agent_id", "TEXT NOT NULL", "The agent whose list was read; '' for all agents."),
        Column("start_unix_secs", "INTEGER NOT NULL", "The first second of the range."),
        Column("end_unix_secs", "INTEGER NOT NULL", "The second after the last one of the range."),
    ),
    constraints=("PRIMARY KEY (agent_id, start_unix_secs)",),
)

RUNS = Table(
    "runs",
    "One row for each run of the harvest.",
    (
        Column("run_id", "INTEGER PRIMARY KEY", "The run's number."),
        Column("started_unix_secs", "INTEGER NOT NULL", "The start time."),
        Column("ended_unix_secs", "INTEGER", "The end time; null if it is still running or was killed."),
        Column("report", "TEXT", "Its counts as JSON."),
        Column("error", "TEXT", "The error that ended it; else null."),
    ),
)

TABLES = (ARCHIVE, CONVERSATIONS, TURNS, TURNS_SEARCH, TOOL_CALLS, AUDIO, FAILURES, WINDOWS, RUNS)
"""All tables, in the order in which they are created."""

DETAIL_TABLES = (TURNS, TOOL_CALLS)
"""The tables whose rows are replaced together with their conversation's."""

DETAIL_NAMES = tuple(table.name for table in DETAIL_TABLES)
"""Their names."""

EXPORTED = {table.name: table for table in (CONVERSATIONS, *DETAIL_TABLES)}
"""The tables that can be exported, by name."""
