BEGIN TRANSACTION;
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
INSERT INTO "archive" VALUES('sandbox:4',NULL,NULL,0);
INSERT INTO "conversations" VALUES('conv_a','agent_1',NULL,NULL,'done',1700000000,NULL,2,NULL,NULL,5.0,NULL,NULL,NULL,NULL,NULL,1,1700001000,NULL,X'7B22636F6E766572736174696F6E5F6964223A2022636F6E765F61222C20226167656E745F6964223A20226167656E745F31222C2022737461747573223A2022646F6E65222C20226D65746164617461223A207B2273746172745F74696D655F756E69785F73656373223A20313730303030303030307D2C20227472616E736372697074223A205B7B22726F6C65223A202275736572222C20226D657373616765223A2022492077616E74206120726566756E64227D2C207B22726F6C65223A202275736572222C20226D657373616765223A20227A75725C7530306663636B227D5D2C20226861735F617564696F223A20747275657D',X'7B22636F6E766572736174696F6E5F6964223A2022636F6E765F61222C20226167656E745F6964223A20226167656E745F31222C2022737461747573223A2022646F6E65222C202273746172745F74696D655F756E69785F73656373223A20313730303030303030302C2022726174696E67223A20357D',NULL,NULL,0);
INSERT INTO "conversations" VALUES('conv_b','agent_1',NULL,NULL,'done',1700000000,NULL,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,1700001000,NULL,X'7B22636F6E766572736174696F6E5F6964223A2022636F6E765F62222C20226167656E745F6964223A20226167656E745F31222C2022737461747573223A2022646F6E65222C20226D65746164617461223A207B2273746172745F74696D655F756E69785F73656373223A20313730303030303030307D2C20227472616E736372697074223A205B7B22726F6C65223A202275736572222C20226D657373616765223A20227A75725C7530306663636B227D2C207B22726F6C65223A20226167656E74222C20226D657373616765223A20224F6E65206D6F6D656E74222C2022746F6F6C5F63616C6C73223A205B7B22726571756573745F6964223A20227231222C2022746F6F6C5F6E616D65223A20226C6F6F6B7570222C202274797065223A2022776562686F6F6B222C2022706172616D735F61735F6A736F6E223A20227B7D222C2022746F6F6C5F6861735F6265656E5F63616C6C6564223A20747275657D5D2C2022746F6F6C5F726573756C7473223A205B7B22726571756573745F6964223A20227231222C2022746F6F6C5F6E616D65223A20226C6F6F6B7570222C202274797065223A2022776562686F6F6B222C2022726573756C745F76616C7565223A20226F6B222C202269735F6572726F72223A2066616C73652C2022746F6F6C5F6861735F6265656E5F63616C6C6564223A20747275652C2022746F6F6C5F6C6174656E63795F73656373223A20302E357D5D7D5D7D',X'7B22636F6E766572736174696F6E5F6964223A2022636F6E765F62222C20226167656E745F6964223A20226167656E745F31222C2022737461747573223A2022646F6E65222C202273746172745F74696D655F756E69785F73656373223A20313730303030303030307D',NULL,1700001000,0);
INSERT INTO "conversations" VALUES('conv_bad','agent_1',NULL,NULL,'done',1700000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,1700001000,'the service''s reply does not decode: Expected `array`, got `int` - at `$.transcript`; its bytes are in .body',X'7B22636F6E766572736174696F6E5F6964223A2022636F6E765F626164222C20227472616E736372697074223A20357D',X'7B22636F6E766572736174696F6E5F6964223A2022636F6E765F626164222C20226167656E745F6964223A20226167656E745F31222C2022737461747573223A2022646F6E65222C202273746172745F74696D655F756E69785F73656373223A20313730303030303030307D',1700001000,NULL,0);
INSERT INTO "conversations" VALUES('conv_hook','agent_1',NULL,NULL,'done',1700000000,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,1700001000,NULL,X'7B22636F6E766572736174696F6E5F6964223A2022636F6E765F686F6F6B222C20226167656E745F6964223A20226167656E745F31222C2022737461747573223A2022646F6E65222C20226D65746164617461223A207B2273746172745F74696D655F756E69785F73656373223A20313730303030303030307D2C20227472616E736372697074223A205B7B22726F6C65223A202275736572222C20226D657373616765223A2022627920776562686F6F6B227D5D7D',NULL,NULL,NULL,1);
INSERT INTO "turns" VALUES(1,'conv_a',0,'user','I want a refund',NULL,0,NULL);
INSERT INTO "turns" VALUES(2,'conv_a',1,'user','zurück',NULL,0,NULL);
INSERT INTO "turns" VALUES(3,'conv_b',0,'user','zurück',NULL,0,NULL);
INSERT INTO "turns" VALUES(4,'conv_b',1,'agent','One moment',NULL,0,NULL);
INSERT INTO "turns" VALUES(5,'conv_hook',0,'user','by webhook',NULL,0,NULL);
INSERT INTO "tool_calls" VALUES('conv_b',0,1,'r1','lookup','webhook','{}','ok',0,0.5);
INSERT INTO "audio" VALUES('conv_a','audio/conv_a.mp3',3,'abc','audio/mpeg');
INSERT INTO "failures" VALUES('conv_x','conversation','down',2,1700001000,X'7B22636F6E766572736174696F6E5F6964223A2022636F6E765F78222C20226167656E745F6964223A20226167656E745F31222C2022737461747573223A2022646F6E65222C202273746172745F74696D655F756E69785F73656373223A20313730303030303030307D');
INSERT INTO "failures" VALUES('line:1','list','no id',0,1700001000,NULL);
INSERT INTO "windows" VALUES('',1600000000,1700000001);
INSERT INTO "runs" VALUES(1,1700001000,1700001000,'{"fetched":3}');
INSERT INTO "runs" VALUES(2,1700001000,NULL,NULL);
COMMIT;
PRAGMA application_id = 1129726281;
PRAGMA user_version = 3;
