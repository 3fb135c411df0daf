"""The archive's tables, and how to tell an archive from any other file."""

from __future__ import annotations

APPLICATION_ID = 0x43564149
"""Marks a SQLite file as ours, in its header (``PRAGMA application_id``): "CVAI" in ASCII."""

SCHEMA_VERSION = 1
"""The layout below (``PRAGMA user_version``)."""

SCHEMA = """
CREATE TABLE archive (             -- one row: what this archive is of
    source TEXT NOT NULL           -- the service's address, or 'sandbox:<n>'
);

CREATE TABLE conversations (
    conversation_id      TEXT PRIMARY KEY,
    agent_id             TEXT,
    agent_name           TEXT,
    user_id              TEXT,
    status               TEXT,     -- 'done' and 'failed' are final
    start_time_unix_secs INTEGER,
    call_duration_secs   INTEGER,
    message_count        INTEGER,
    call_successful      TEXT,     -- 'success', 'failure' or 'unknown'
    direction            TEXT,
    rating               REAL,
    cost                 INTEGER,  -- credits
    main_language        TEXT,
    termination_reason   TEXT,
    call_summary_title   TEXT,
    transcript_summary   TEXT,
    has_audio            INTEGER NOT NULL,
    fetched_unix_secs    INTEGER NOT NULL,
    decode_error         TEXT,     -- why raw could not be read into the columns, or null
    raw                  BLOB NOT NULL  -- the service's JSON, byte for byte
);
CREATE INDEX conversations_by_start ON conversations (start_time_unix_secs);
CREATE INDEX conversations_by_agent ON conversations (agent_id, start_time_unix_secs);

CREATE TABLE turns (
    conversation_id   TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position          INTEGER NOT NULL,  -- from 0
    role              TEXT,              -- 'user' or 'agent'
    message           TEXT,
    time_in_call_secs INTEGER,
    interrupted       INTEGER NOT NULL,
    llm               TEXT,              -- the model that was asked for, where it was overridden
    PRIMARY KEY (conversation_id, position)
);

CREATE TABLE tool_calls (
    conversation_id      TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position             INTEGER NOT NULL,  -- from 0, within the conversation
    turn_position        INTEGER NOT NULL,
    request_id           TEXT,
    tool_name            TEXT,
    type                 TEXT,
    params_as_json       TEXT,
    result_value         TEXT,              -- null when no result came
    is_error             INTEGER,
    tool_latency_secs    REAL,
    PRIMARY KEY (conversation_id, position)
);
CREATE INDEX tool_calls_by_name ON tool_calls (tool_name);

CREATE TABLE audio (
    conversation_id TEXT PRIMARY KEY REFERENCES conversations ON DELETE CASCADE,
    path            TEXT NOT NULL,     -- from the archive's folder
    size            INTEGER NOT NULL,  -- bytes
    sha256          TEXT NOT NULL,
    content_type    TEXT NOT NULL
);

CREATE TABLE failures (                -- what could not be fetched, to be tried again by the next run
    conversation_id    TEXT PRIMARY KEY,
    error              TEXT NOT NULL,
    attempts           INTEGER NOT NULL,  -- requests sent, over all runs
    failed_unix_secs   INTEGER NOT NULL
);
"""
