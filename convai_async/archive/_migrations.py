"""How an archive of an older version becomes one of the next: frozen SQL.

A text never changes after its release, and never refers to the tables of today. `_database` runs all that an archive
needs in one transaction. Each statement ends at the end of a line.
"""

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

_FROM_3 = """
ALTER TABLE conversations RENAME COLUMN listed TO summary_json;
ALTER TABLE failures RENAME COLUMN listed TO summary_json;
ALTER TABLE runs ADD COLUMN error TEXT;
"""

MIGRATIONS = {1: _FROM_1, 2: _FROM_2, 3: _FROM_3}
"""For each older version, the SQL that makes the next one."""
