"""The archive's tables, how they came to be, and how to tell an archive from any other file."""

from __future__ import annotations

import re

APPLICATION_ID = 0x43564149
"""Marks a SQLite file as ours, in its header (``PRAGMA application_id``): "CVAI" in ASCII."""

SCHEMA = """
CREATE TABLE archive (             -- one row: what this archive is of
    source          TEXT NOT NULL, -- the service's address, or 'sandbox:<n>'
    key_salt        BLOB,          -- random
    key_fingerprint BLOB,          -- of the API key, with this salt (scrypt); null until a workspace is known
    scrub_due       INTEGER NOT NULL DEFAULT 0  -- 1: the file may still hold words of what was removed
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
    raw                  BLOB NOT NULL,  -- the service's JSON, byte for byte
    listed               BLOB,     -- its line in the list when it was fetched, JSON; null if it came without one
    deleted_unix_secs    INTEGER,  -- when the service was found to have it no more, or null
    no_audio_unix_secs   INTEGER,  -- when the service was found to have no recording, or null
    from_webhook         INTEGER NOT NULL DEFAULT 0  -- 1: raw is what a webhook brought
);
CREATE INDEX conversations_by_start ON conversations (start_time_unix_secs);
CREATE INDEX conversations_by_agent ON conversations (agent_id, start_time_unix_secs);

CREATE TABLE turns (
    turn_id           INTEGER PRIMARY KEY,
    conversation_id   TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position          INTEGER NOT NULL,  -- from 0
    role              TEXT,              -- 'user' or 'agent'
    message           TEXT,
    time_in_call_secs INTEGER,
    interrupted       INTEGER NOT NULL,
    llm               TEXT,              -- the model that was asked for, where it was overridden
    UNIQUE (conversation_id, position)
);

CREATE VIRTUAL TABLE turns_search USING fts5 (
    message, content = 'turns', content_rowid = 'turn_id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER turn_added AFTER INSERT ON turns BEGIN
    INSERT INTO turns_search (rowid, message) VALUES (new.turn_id, new.message);
END;
CREATE TRIGGER turn_removed AFTER DELETE ON turns BEGIN
    INSERT INTO turns_search (turns_search, rowid, message) VALUES ('delete', old.turn_id, old.message);
END;

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

CREATE TABLE failures (                -- what could not be fetched or read, to be tried again by the next run
    conversation_id    TEXT NOT NULL,  -- of a line of the list that has none: 'line:<hash>'
    part               TEXT NOT NULL,  -- 'conversation', 'audio', or 'list': a line of the list
    error              TEXT NOT NULL,
    attempts           INTEGER NOT NULL,  -- requests sent, over all runs
    failed_unix_secs   INTEGER NOT NULL,
    listed             BLOB,           -- its line in the list, as it came
    PRIMARY KEY (conversation_id, part)
);

CREATE TABLE windows (                 -- stretches of the list whose every conversation is here or in failures
    agent_id        TEXT NOT NULL,     -- '' stands for all agents
    start_unix_secs INTEGER NOT NULL,
    end_unix_secs   INTEGER NOT NULL,  -- not in it any more
    PRIMARY KEY (agent_id, start_unix_secs)
);

CREATE TABLE runs (
    run_id            INTEGER PRIMARY KEY,
    started_unix_secs INTEGER NOT NULL,
    ended_unix_secs   INTEGER,         -- null while it runs, and when it was killed
    report            TEXT             -- its counts, JSON
);
"""
"""Each statement ends with its line."""

_FROM_1 = """
ALTER TABLE conversations ADD COLUMN listed BLOB;
ALTER TABLE conversations ADD COLUMN deleted_unix_secs INTEGER;
ALTER TABLE conversations ADD COLUMN no_audio_unix_secs INTEGER;

ALTER TABLE turns RENAME TO turns_1;

CREATE TABLE turns (
    turn_id           INTEGER PRIMARY KEY,
    conversation_id   TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position          INTEGER NOT NULL,  -- from 0
    role              TEXT,              -- 'user' or 'agent'
    message           TEXT,
    time_in_call_secs INTEGER,
    interrupted       INTEGER NOT NULL,
    llm               TEXT,              -- the model that was asked for, where it was overridden
    UNIQUE (conversation_id, position)
);

INSERT INTO turns (conversation_id, position, role, message, time_in_call_secs, interrupted, llm)
    SELECT conversation_id, position, role, message, time_in_call_secs, interrupted, llm FROM turns_1;
DROP TABLE turns_1;

CREATE VIRTUAL TABLE turns_search USING fts5 (
    message, content = 'turns', content_rowid = 'turn_id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER turn_added AFTER INSERT ON turns BEGIN
    INSERT INTO turns_search (rowid, message) VALUES (new.turn_id, new.message);
END;
CREATE TRIGGER turn_removed AFTER DELETE ON turns BEGIN
    INSERT INTO turns_search (turns_search, rowid, message) VALUES ('delete', old.turn_id, old.message);
END;

INSERT INTO turns_search (turns_search) VALUES ('rebuild');

ALTER TABLE failures RENAME TO failures_1;

CREATE TABLE failures (                -- what could not be fetched, to be tried again by the next run
    conversation_id    TEXT NOT NULL,
    part               TEXT NOT NULL,  -- 'conversation' or 'audio'
    error              TEXT NOT NULL,
    attempts           INTEGER NOT NULL,  -- requests sent, over all runs
    failed_unix_secs   INTEGER NOT NULL,
    listed             BLOB,           -- its line in the list, JSON
    PRIMARY KEY (conversation_id, part)
);

INSERT INTO failures (conversation_id, part, error, attempts, failed_unix_secs)
    SELECT conversation_id, 'conversation', error, attempts, failed_unix_secs FROM failures_1;
DROP TABLE failures_1;

CREATE TABLE windows (                 -- stretches of the list whose every conversation is here or in failures
    agent_id        TEXT NOT NULL,     -- '' stands for all agents
    start_unix_secs INTEGER NOT NULL,
    end_unix_secs   INTEGER NOT NULL,  -- not in it any more
    PRIMARY KEY (agent_id, start_unix_secs)
);

CREATE TABLE runs (
    run_id            INTEGER PRIMARY KEY,
    started_unix_secs INTEGER NOT NULL,
    ended_unix_secs   INTEGER,         -- null while it runs, and when it was killed
    report            TEXT             -- its counts, JSON
);

"""

_FROM_2 = """
ALTER TABLE archive ADD COLUMN key_salt BLOB;
ALTER TABLE archive ADD COLUMN key_fingerprint BLOB;
ALTER TABLE archive ADD COLUMN scrub_due INTEGER NOT NULL DEFAULT 0;
-- Version 2 did not record that a removal had been interrupted.
UPDATE archive SET scrub_due = 1;
ALTER TABLE conversations ADD COLUMN from_webhook INTEGER NOT NULL DEFAULT 0;
-- Version 2 made up a line of the list for what a webhook brought: it says nothing but the id, and is short.
UPDATE conversations SET from_webhook = 1, listed = NULL
WHERE length(listed) < 1500 AND CASE WHEN json_valid(CAST(listed AS TEXT)) THEN coalesce(
    json_extract(CAST(listed AS TEXT), '$.agent_id'), json_extract(CAST(listed AS TEXT), '$.status'),
    json_extract(CAST(listed AS TEXT), '$.start_time_unix_secs')
) IS NULL END;
"""

MIGRATIONS = {1: _FROM_1, 2: _FROM_2}
"""What makes the next schema of each older one. These texts stay as they were released."""

SCHEMA_VERSION = max(MIGRATIONS) + 1
"""The layout above (``PRAGMA user_version``)."""

TABLES = frozenset(re.findall(r"^CREATE (?:VIRTUAL )?TABLE (\w+)", SCHEMA, re.MULTILINE))
"""Their names."""
