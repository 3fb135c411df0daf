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

_FROM_4 = """
ALTER TABLE archive ADD COLUMN upgraded_to TEXT;
-- The new columns and tables are filled from raw after these statements, a batch at a time.
UPDATE archive SET upgraded_to = '' WHERE EXISTS (SELECT 1 FROM conversations);

ALTER TABLE conversations ADD COLUMN branch_id TEXT;
ALTER TABLE conversations ADD COLUMN version_id TEXT;
ALTER TABLE conversations ADD COLUMN environment TEXT;
ALTER TABLE conversations ADD COLUMN agent_number TEXT;
ALTER TABLE conversations ADD COLUMN external_number TEXT;
ALTER TABLE conversations ADD COLUMN call_sid TEXT;
ALTER TABLE conversations ADD COLUMN phone_call_type TEXT;
ALTER TABLE conversations ADD COLUMN authorization_method TEXT;
ALTER TABLE conversations ADD COLUMN conversation_initiation_source TEXT;
ALTER TABLE conversations ADD COLUMN text_only INTEGER;
ALTER TABLE conversations ADD COLUMN accepted_time_unix_secs INTEGER;
ALTER TABLE conversations ADD COLUMN queue_wait_secs REAL;
ALTER TABLE conversations ADD COLUMN cost_fiat REAL;
ALTER TABLE conversations ADD COLUMN call_charge INTEGER;
ALTER TABLE conversations ADD COLUMN llm_charge INTEGER;
ALTER TABLE conversations ADD COLUMN llm_price REAL;
ALTER TABLE conversations ADD COLUMN tier TEXT;
ALTER TABLE conversations ADD COLUMN error_code INTEGER;
ALTER TABLE conversations ADD COLUMN error_reason TEXT;
ALTER TABLE conversations ADD COLUMN likes INTEGER;
ALTER TABLE conversations ADD COLUMN dislikes INTEGER;
ALTER TABLE conversations ADD COLUMN comment TEXT;
ALTER TABLE conversations ADD COLUMN turn_metrics TEXT;
ALTER TABLE conversations ADD COLUMN dynamic_variables TEXT;
ALTER TABLE conversations ADD COLUMN features TEXT;
ALTER TABLE conversations ADD COLUMN raw_is_utf8 INTEGER NOT NULL DEFAULT 0;

ALTER TABLE turns ADD COLUMN producing_llm TEXT;
ALTER TABLE turns ADD COLUMN source_medium TEXT;
ALTER TABLE turns ADD COLUMN original_message TEXT;
ALTER TABLE turns ADD COLUMN turn_agent_id TEXT;
ALTER TABLE turns ADD COLUMN feedback TEXT;

ALTER TABLE tool_calls ADD COLUMN tool_details TEXT;
ALTER TABLE tool_calls ADD COLUMN result_type TEXT;
ALTER TABLE tool_calls ADD COLUMN transfer_target TEXT;

CREATE TABLE evaluation_results (
    conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    criteria_id TEXT,
    result TEXT,
    rationale TEXT,
    score INTEGER,
    max_score INTEGER,
    agent_id TEXT
);
CREATE INDEX evaluation_results_by_conversation ON evaluation_results (conversation_id);

CREATE TABLE data_collection_results (
    conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    data_collection_id TEXT,
    value TEXT,
    value_type TEXT NOT NULL,
    rationale TEXT,
    agent_id TEXT
);
CREATE INDEX data_collection_results_by_conversation ON data_collection_results (conversation_id);

CREATE TABLE llm_usage (
    conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    model TEXT NOT NULL,
    category TEXT NOT NULL,
    tokens INTEGER,
    price REAL,
    PRIMARY KEY (conversation_id, model, category)
) WITHOUT ROWID;

CREATE TABLE tags (
    conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    tag_id TEXT NOT NULL,
    PRIMARY KEY (conversation_id, tag_id)
) WITHOUT ROWID;

CREATE TABLE rag_retrievals (
    conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    turn_position INTEGER NOT NULL,
    query TEXT,
    embedding_model TEXT,
    latency_secs REAL,
    chunks TEXT NOT NULL,
    PRIMARY KEY (conversation_id, turn_position)
) WITHOUT ROWID;

-- Datasette and sqlite-utils look for content="turns" in the text of a search index.
DROP TABLE turns_search;
CREATE VIRTUAL TABLE turns_search USING fts5 (
    message, content="turns", content_rowid='turn_id', tokenize='unicode61 remove_diacritics 2'
);
INSERT INTO turns_search (turns_search) VALUES ('rebuild');
"""

_FROM_5 = """
CREATE TABLE steps (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    selects TEXT NOT NULL,
    queued_to TEXT
);

CREATE TABLE step_results (
    conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    step TEXT NOT NULL,
    version INTEGER NOT NULL,
    result TEXT,
    finished_unix_secs INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, step)
);
CREATE INDEX step_results_by_step ON step_results (step, version);

CREATE TABLE step_jobs (
    conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    step TEXT NOT NULL,
    version INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_unix_secs INTEGER,
    claim TEXT,
    error TEXT,
    PRIMARY KEY (conversation_id, step)
) WITHOUT ROWID;
CREATE INDEX step_jobs_by_due ON step_jobs (step, due_unix_secs);
"""

# Version 6 had another hash of the key: the next harvest binds the archive again, to the key of its conversations.
_FROM_6 = """
UPDATE archive SET key_salt = NULL, key_fingerprint = NULL;
CREATE TABLE deleted_ids (
    id_sha256 TEXT PRIMARY KEY,
    deleted_unix_secs INTEGER NOT NULL,
    pruned INTEGER NOT NULL
) WITHOUT ROWID;
"""

MIGRATIONS = {1: _FROM_1, 2: _FROM_2, 3: _FROM_3, 4: _FROM_4, 5: _FROM_5, 6: _FROM_6}
"""For each older version, the SQL that makes the next one."""
